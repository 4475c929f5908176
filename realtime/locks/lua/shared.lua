#!lua name=tickingtickets
--[[
The authority over seats: every decision about a seat is made by one of these functions on the owning master.

The library is the concatenation of these files, in this order (realtime/locks/library.py):
  shared.lua     data model, helpers
  fencing.lua    which keepers may write
  addresses.lua  how many seats one network address may hold, and for how long
  figures.lua    counts for operators
  buyers.lua     hold, extend, release, get, map
  money.lua      order, prolong, confirm, refund
  keepers.lua    settle, reject, expire, forget
  rebuild.lua    declare, suspend, rebuild in parts
  previous_rebuild.lua  rebuild in one call, for keepers of the previous release
  operators.lua  block, unblock, sales, reserve, exchange, cancel

Data of a show (KEYS of every function, in this order; realtime/keys.py spells the names)
  1 meta      hash    epoch, version, sales (open|paused|closed), sales_start, sales_end (ms), size, hold_ms, max_seats,
                      process, rebuilt_at (ms), rebuilding, diverged
  2 seats     string  one ASCII digit a seat in layout order: 0 free, 1 held, 2 sold, 3 blocked
  3 taken     hash    seat index -> hold id, for every held and sold seat
  4 holds     hash    hold id -> JSON, see "A hold" below
  5 owners    hash    owner -> number of live holds (held or confirming); '@' and an address -> seats it holds
  6 deadlines zset    hold id by deadline (ms), of all shows
  7 ended     zset    hold id by the time (ms) at which its record may be deleted, of all shows
  8 outbox    stream  entries that the keepers carry to the ledger
  9 changes   channel changes of the map, for viewers
 10 notices   channel what became of a hold, for its owner
 11 log       stream  events of the show, for operators: kind, hold (ids), change (as published); the last LOG_LENGTH
 12 fence     string  what fencing.lua compares; only for the functions of keepers

In `meta`: `process` is the run_id of the server process in which the show is for sale; `rebuilding` is the nonce of
the keeper that suspended it, until it is rebuilt; `diverged` is '1' while another master has sold since this data was
current; `rebuilt_at` is when it was rebuilt last. Its key is tt:{show}:meta; two functions make other keys from that.

A hold. Always there: `owner`, `seats` (indices, ascending), `state`, `expires_at` (ms), `extensions` (how many). Else:
  extended_by   the request id of the last extension
  asked         the seats that were asked for first, once `seats` are others
  released      seats that its owner has released one by one
  from, since   the address that its seats are counted for, and when the spell of this address began (addresses.lua);
                only while it is held
  order         the order that the payment service has for it
  payment       the payment that was confirmed for it
  prolonged_ms  by how much its deadline is later than its owner knows (tt_prolong)
  void, cancelled   see the invariants
  reserved      the seats to which the booking is about to move; exchanges: how often it has moved (operators.lua)

States of a hold: held -> confirming -> booked; held -> released | expired | lost; confirming -> rejected;
booked -> released, with `cancelled`. (Clients of releases before version 9 know no other word for that.)

Invariants
  - seats[i] is 1 or 2 exactly when taken[i] names a hold that has i among its seats, or reserved for an exchange.
  - Functions run one at a time, on the master's own clock. They validate before their first write, because a Lua
    error does not undo the writes before it.
  - A function that changes seats raises `version` by one and publishes one message with exactly what changed.
  - A held hold past its deadline is free to the next taker at once, even if no keeper has swept it.
  - A show is for sale only in the server process (`process` = its run_id) in which it was declared or rebuilt. After a
    restart, a failover or a restore the master may lack what clients were already answered, so nothing is sold until
    a keeper has rebuilt the show from the ledger.
  - Seats are held within the sales window only. A hold that was taken in time may be confirmed until its deadline.
  - A confirming hold can't expire. Its seats look held until the ledger records it (settle) or refuses it (reject).
  - A void hold can never be booked: another master may have answered its owner differently.
  - `cancelled` is set after the ledger has cancelled the booking, and never taken back: it proves that.
  - A hold id is never used again once an order or a payment was seen for it: its record is not deleted (is_paid_for).

Every function returns {'ok', ...} or {code, ...} with a code of realtime/errors.py. Times are ms.
]]

local VERSION = 19
local FREE, HELD, SOLD, BLOCKED = '0', '1', '2', '3'
local STATUS_NAMES = { [FREE] = 'free', [HELD] = 'held', [SOLD] = 'sold', [BLOCKED] = 'blocked' }
local LOG_LENGTH = 20000 -- events of a show that are kept, about
local LOST_MS = 3600000 -- for an hour after a rebuild, an unknown hold is answered as lost, not as not found
-- After releasing this many seats, or letting them lapse, an address can't hold any until REST_KEPT_MS after the last.
local REST_SEATS = 1000
local REST_KEPT_MS = 60000 -- the longest rest, limits.MAX_REST_S
local ARGS_PER_COMMAND = 1000 -- arguments of one variadic command, even; Lua's stack takes a few thousand

-- The answer to any verb on a hold that has ended.
local ENDED = { released = 'hold_ended', expired = 'hold_expired', lost = 'hold_lost', rejected = 'booking_rejected' }

local function key_names(keys)
  return {
    meta = keys[1],
    seats = keys[2],
    taken = keys[3],
    holds = keys[4],
    owners = keys[5],
    deadlines = keys[6],
    ended = keys[7],
    outbox = keys[8],
    changes = keys[9],
    notices = keys[10],
    log = keys[11],
  }
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Numbers above 2^31 would otherwise be written in scientific notation.
local function ms_text(ms)
  return string.format('%.0f', ms)
end

local function split_csv(csv)
  local out = {}
  for number in string.gmatch(csv, '%d+') do out[#out + 1] = tonumber(number) end
  return out
end

-- Read once: every server process loads this library anew.
local run_id
local function this_process()
  run_id = run_id or string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  return run_id
end

local function load_terms(K)
  local meta = redis.call('HMGET', K.meta, 'epoch', 'sales', 'size', 'hold_ms', 'max_seats', 'process',
    'sales_start', 'sales_end')
  if not meta[1] then return nil end
  return {
    epoch = meta[1],
    sales = meta[2],
    size = tonumber(meta[3]),
    hold_ms = tonumber(meta[4]),
    max_seats = tonumber(meta[5]),
    process = meta[6],
    -- A show that only keepers of releases before version 9 have declared has no window.
    sales_start = meta[7] and tonumber(meta[7]),
    sales_end = meta[8] and tonumber(meta[8]),
  }
end

-- Returns the show if it is for sale in this process; nil if it is unknown, damaged (its seats were deleted), or not
-- rebuilt yet.
local function load_show(K)
  local show = load_terms(K)
  if show and show.process == this_process() and redis.call('STRLEN', K.seats) == show.size then return show end
  return nil
end

-- Returns open, paused, closed or not_started: what operators decided, within the sales window.
local function sales_state(show, at)
  if show.sales ~= 'open' then return show.sales end
  if show.sales_start and at < show.sales_start then return 'not_started' end
  if show.sales_end and at >= show.sales_end then return 'closed' end
  return 'open'
end

local function decode_hold(record)
  local hold = cjson.decode(record)
  hold.void = hold.void or hold.disowned -- version 6 of this library wrote `disowned`
  return hold
end

local function load_hold(K, id)
  local record = redis.call('HGET', K.holds, id)
  return record and decode_hold(record) or nil
end

-- cjson can't tell an empty list from an empty object and writes {}.
local function encode_hold(hold)
  return (string.gsub(cjson.encode(hold), ':{}', ':[]'))
end

-- The record of a cancelled booking: its id is not used again, and a payment that comes later is returned.
local function cancelled_hold(owner, seats, payment, at)
  return {
    owner = owner, seats = seats, state = 'released', expires_at = at, extensions = 0, payment = payment,
    cancelled = true,
  }
end

local function save_hold(K, id, hold)
  redis.call('HSET', K.holds, id, encode_hold(hold))
end

-- Reads the status digits of seats; a range of neighbours, the usual case, costs one command.
local function read_digits(K, seats)
  local first, last, out = seats[1], seats[1], {}
  for _, seat in ipairs(seats) do
    first, last = math.min(first, seat), math.max(last, seat)
  end
  if last - first < 512 then
    local text = redis.call('GETRANGE', K.seats, first, last)
    for n, seat in ipairs(seats) do out[n] = string.sub(text, seat - first + 1, seat - first + 1) end
  else
    for n, seat in ipairs(seats) do out[n] = redis.call('GETRANGE', K.seats, seat, seat) end
  end
  return out
end

-- Writes one status digit to seats, a command per run of neighbours, and records it in `change` (seat -> digit).
local function set_status(K, seats, digit, change)
  local n = 1
  while n <= #seats do
    local run = 1
    while seats[n + run] == seats[n] + run do run = run + 1 end
    redis.call('SETRANGE', K.seats, seats[n], string.rep(digit, run))
    for k = n, n + run - 1 do change[seats[k]] = digit end
    n = n + run
  end
end

-- HSET of a flat list field, value, field, value, ... of any length.
local function set_fields(key, flat)
  for from = 1, #flat, ARGS_PER_COMMAND do
    redis.call('HSET', key, unpack(flat, from, math.min(from + ARGS_PER_COMMAND - 1, #flat)))
  end
end

local function claim(K, id, seats)
  local flat = {}
  for _, seat in ipairs(seats) do
    flat[#flat + 1] = seat
    flat[#flat + 1] = id
  end
  set_fields(K.taken, flat)
end

-- Returns who has each of some seats, in their order; false for nobody.
local function holders_of(K, seats)
  local holders = {}
  for from = 1, #seats, ARGS_PER_COMMAND do
    local some = redis.call('HMGET', K.taken, unpack(seats, from, math.min(from + ARGS_PER_COMMAND - 1, #seats)))
    for n, holder in ipairs(some) do holders[from + n - 1] = holder end
  end
  return holders
end

-- The seats that a hold still has: a booking that the ledger upheld may have taken some of them.
local function own_seats(K, id, seats)
  local own = {}
  for n, holder in ipairs(holders_of(K, seats)) do
    if holder == id then own[#own + 1] = seats[n] end
  end
  return own
end

local function free_seats(K, id, seats, change)
  local own = own_seats(K, id, seats)
  if #own == 0 then return end
  set_status(K, own, FREE, change)
  redis.call('HDEL', K.taken, unpack(own))
end

local function log_event(K, kind, id, message)
  -- A client of an older release passes no log key; an error here would come after seats were changed.
  if not K.log then return end
  redis.call('XADD', K.log, 'MAXLEN', '~', LOG_LENGTH, '*', 'kind', kind, 'hold', id, 'change', message)
end

-- Publishes a change to viewers and logs it: one version, one message. `fields` is more JSON of the message, each field
-- with a leading comma.
local function announce(K, epoch, fields, kind, id)
  local version = redis.call('HINCRBY', K.meta, 'version', 1)
  local message = '{"epoch":"' .. epoch .. '","version":' .. version .. fields .. '}'
  redis.call('PUBLISH', K.changes, message)
  log_event(K, kind, id, message)
end

-- Announces a change of seats, sorted into lists by status; does nothing when no seat changed.
local function publish_change(K, show, change, kind, id)
  local lists = {}
  for seat, digit in pairs(change) do
    local list = lists[digit]
    if not list then
      list = {}
      lists[digit] = list
    end
    list[#list + 1] = seat
  end
  if not next(lists) then return end
  local parts = {}
  for digit, list in pairs(lists) do
    parts[#parts + 1] = ',"' .. STATUS_NAMES[digit] .. '":[' .. table.concat(list, ',') .. ']'
  end
  announce(K, show.epoch, table.concat(parts), kind, id)
end

-- Notifies the owner of a hold what became of it. With `seats` (bookings only), nodes need not read the master.
local function notify(K, kind, id, owner, seats)
  redis.call('PUBLISH', K.notices, cjson.encode({ kind = kind, hold = id, owner = owner, seats = seats }))
end

local function is_live(hold)
  return hold.state == 'held' or hold.state == 'confirming'
end

-- Whether money was asked for or came for a hold. Its record stays for as long as the show does.
local function is_paid_for(hold)
  return hold.order ~= nil or hold.payment ~= nil
end

local function count_hold(K, owner)
  redis.call('HINCRBY', K.owners, owner, 1)
end

local function uncount_hold(K, owner)
  if redis.call('HINCRBY', K.owners, owner, -1) <= 0 then redis.call('HDEL', K.owners, owner) end
end

-- Seats that are held from one network address are counted under '@' and the address, a keyed hash that nodes make (no
-- owner begins with '@'). Seats that are being booked don't count.
local function count_seats(K, from, count)
  if redis.call('HINCRBY', K.owners, '@' .. from, count) <= 0 then redis.call('HDEL', K.owners, '@' .. from) end
end

local function uncount_seats(K, hold, count)
  if hold.from and hold.state == 'held' and count > 0 then count_seats(K, hold.from, -count) end
end

-- tt:{show}:rest:<address>, a key that is not among KEYS: a caller that ends a hold does not know the hold's address.
local function rest_key(K, from)
  return string.sub(K.meta, 1, -5) .. 'rest:' .. from
end

-- Records since when an address has had seats that it has now let lapse or released (see addresses.lua).
local function record_rest(K, hold, seats, ended)
  if not hold.from or #seats == 0 then return end
  local key = rest_key(K, hold.from)
  -- With this many the address can't hold any seat until the key expires; no more need be recorded.
  if redis.call('HLEN', key) >= REST_SEATS then return end
  local fields, spell = {}, ms_text(hold.since) .. ' ' .. ms_text(ended)
  for _, seat in ipairs(seats) do
    fields[#fields + 1] = seat
    fields[#fields + 1] = spell
  end
  set_fields(key, fields)
  redis.call('PEXPIRE', key, REST_KEPT_MS)
end

-- Ends a hold: frees its seats and keeps its record for `keep` ms, to answer late requests.
local function end_hold(K, id, hold, state, at, keep, change)
  free_seats(K, id, hold.seats, change)
  if is_live(hold) then uncount_hold(K, hold.owner) end
  uncount_seats(K, hold, #hold.seats)
  if state == 'expired' or state == 'released' then
    record_rest(K, hold, hold.seats, math.min(at, hold.expires_at))
  end
  hold.from, hold.since = nil, nil
  hold.state = state
  save_hold(K, id, hold)
  redis.call('ZREM', K.deadlines, id)
  redis.call('ZADD', K.ended, at + keep, id)
end

-- Sends what a request led to to the ledger, where its owner can ask for it later.
local function append_outcome(K, request, command, id, hold, at)
  redis.call('XADD', K.outbox, '*', 'kind', 'outcome', 'owner', hold.owner, 'request', request, 'command', command,
    'subject', id, 'state', hold.state, 'at', ms_text(at))
end

-- Returns the seats that hold `id` can't have, and the lapsed holds (id -> hold) that must be swept for the others.
local function conflicts(K, id, seats, at)
  local taken, lapsed, holds = {}, {}, {}
  local status = read_digits(K, seats)
  for n, seat in ipairs(seats) do
    if status[n] == HELD then
      local holder = redis.call('HGET', K.taken, seat)
      if holder ~= id then
        local other = holds[holder] or load_hold(K, holder)
        holds[holder] = other
        if other and other.state == 'held' and other.expires_at <= at then
          lapsed[holder] = other
        else
          taken[#taken + 1] = seat
        end
      end
    elseif status[n] ~= FREE then
      taken[#taken + 1] = seat
    end
  end
  return taken, lapsed
end

-- Ends lapsed holds (id -> hold) as expired; returns their ids.
local function sweep(K, lapsed, at, keep, change)
  local ids = {}
  for id, hold in pairs(lapsed) do
    end_hold(K, id, hold, 'expired', at, keep, change)
    notify(K, 'expired', id, hold.owner)
    ids[#ids + 1] = id
  end
  return ids
end

-- The same for lapsed holds in the way of something else, whose change of seats is published with that.
local function sweep_away(K, lapsed, at, keep, change)
  local ids = sweep(K, lapsed, at, keep, change)
  if #ids > 0 then log_event(K, 'expired', table.concat(ids, ' '), '') end
end

redis.register_function {
  function_name = 'tt_version',
  callback = function() return VERSION end,
  flags = { 'no-writes' },
}
