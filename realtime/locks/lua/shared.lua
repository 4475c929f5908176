#!lua name=tickingtickets
--[[
The authority over seats: every decision about a seat is made by one of these functions on the owning master.

The library is the concatenation of these files, in this order (realtime/locks/library.py):
  shared.lua     data model; reads shows and records of holds
  changes.lua    the steps of which functions consist: seats, counts, ends of holds, what is published
  fencing.lua    which keepers may write
  addresses.lua  how many seats one network address may hold, and for how long
  figures.lua    counts for operators
  new_holds.lua  hold
  buyers.lua     extend, release, get, map
  money.lua      order, prolong, confirm, refund
  keepers.lua    settle, reject, expire, forget
  rebuild.lua    declare, suspend, rebuild in parts
  previous_rebuild.lua  rebuild in one call, for keepers of the previous release
  operators.lua  block, unblock, sales, reserve, exchange, cancel

Data of a show (KEYS of every function, in this order; realtime/keys.py spells the names)
  1 meta      hash    epoch, version, sales (open|paused|closed), sales_start, sales_end (ms), size, hold_ms, max_seats,
                      process, rebuilt_at (ms), rebuilding, diverged, revision
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
the keeper that suspended it, until it is rebuilt; `diverged` is '1' if another master has sold since this data was
current, until it is rebuilt; `rebuilt_at` is when it was rebuilt last; `revision` is that of the terms (tt_declare).
The key of `meta` is tt:{show}:meta, braces included; rest_key (changes.lua) and figures_key (figures.lua) derive other
keys from it.

A hold. Always there: `owner`, `seats` (indices, ascending), `state`, `expires_at` (ms), `extensions` (how many). Else:
  extended_by   the request id of the last extension
  asked         the seats that were asked for first, once `seats` are others
  released      seats that its owner has released one by one
  from, since   the address (a keyed hash) for which its seats are counted, and when its spell began (addresses.lua);
                only while it is held
  order         the last order that the payment service has for it
  orders        while it is held: its different orders, at most MAX_ORDERS. Each has `id`, `seats` (csv), and `request`,
                the first request id that asked for it
  payment       the payment that was confirmed for it
  confirms      how many confirms had a request id or a contact for the ledger (money.lua), in its present state
  prolonged_ms  by how much its deadline is later than the one that its owner was answered (tt_prolong)
  rejected_for  why it was rejected, unless its seats had been sold: not_on_sale, or lost (its seats are not known)
  void, cancelled   see the invariants
  reserved      the seats to which the booking is about to move
  exchanges     how often the booking has moved (operators.lua)

States of a hold: held -> confirming -> booked; held -> released | expired | lost; confirming -> rejected;
booked -> released, with `cancelled`. (Clients of releases before version 9 know no state `cancelled`.)

Invariants
  - seats[i] is 1 or 2 exactly when taken[i] names a hold that has i among its seats or among those that are reserved
    for its exchange.
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
  - `cancelled` is set after the ledger has cancelled the booking, and never removed: it proves the cancellation.
  - A hold id is never used again once there was an order or a payment for it: its record is not deleted (is_paid_for).
  - While memory is full, only new holds, orders and extensions are refused. Functions that end a hold still work
    (allow-oom), and so do all functions of keepers: otherwise no memory would ever be freed.

Every function returns {'ok', ...} or {code, ...} with a code of realtime/errors.py. Nodes call them through
realtime/locks/holds.py, keepers through realtime/locks/seats.py; locks/answers.py reads what they return.
In their arguments and answers: times are ms; a csv has numbers separated by commas; `record` is the JSON of a hold,
`now` the time of this master's clock; `keep` is how long (ms) the record of a hold that ends is kept. In comments,
"version 9" and the like is the VERSION below, of earlier releases.
]]

local VERSION = 27
local FREE, HELD, SOLD, BLOCKED = '0', '1', '2', '3'
local STATUS_NAMES = { [FREE] = 'free', [HELD] = 'held', [SOLD] = 'sold', [BLOCKED] = 'blocked' }
local LOG_LENGTH = 20000 -- events of a show that are kept, about
local LOST_MS = 3600000 -- for an hour after a rebuild, an unknown hold is answered as lost, not as not found
-- An address that has released this many seats, or let them lapse, can't hold any until REST_KEPT_MS after the last
-- one.
local REST_SEATS = 1000
local REST_KEPT_MS = 60000 -- the longest rest, limits.MAX_REST_S
local OUTBOX_LIMIT = 100000 -- entries, limits.OUTBOX_LIMIT; above it, entries that buyers can do without are dropped
local MAX_ORDERS = 5 -- different orders of a hold, limits.MAX_ORDERS_PER_HOLD
local MAX_CONFIRMS = 10 -- of so many confirms of a hold, and as many of its booking, request ids and contacts are kept
local ARGS_PER_COMMAND = 1000 -- arguments of one variadic command, even; Lua's stack takes a few thousand

-- The answer to any verb on a hold that has ended.
local ENDED = { released = 'hold_ended', expired = 'hold_expired', lost = 'hold_lost', rejected = 'booking_rejected' }

-- Returns that answer. Why the hold was rejected comes fourth: nodes of earlier releases read two other values after
-- the code.
local function ended(hold)
  if hold.rejected_for then return { ENDED[hold.state], '', 0, hold.rejected_for } end
  return { ENDED[hold.state] }
end

-- Returns KEYS by name, all but the fence, which is compared before (fencing.lua).
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

-- Returns a time in digits, for records and answers. Lua itself writes numbers of more than 14 digits as 1.2e+15.
local function ms_text(ms)
  return string.format('%.0f', ms)
end

-- Returns the numbers in a text, whatever separates them.
local function split_csv(csv)
  local out = {}
  for number in string.gmatch(csv, '%d+') do out[#out + 1] = tonumber(number) end
  return out
end

-- Read once: every server process loads this library again, so the value can't be that of an earlier process.
local run_id
local function this_process()
  run_id = run_id or string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  return run_id
end

-- Returns what is declared of a show, whether or not it is for sale; nil if this master does not know it.
local function load_terms(K)
  local meta = redis.call('HMGET', K.meta, 'epoch', 'sales', 'size', 'hold_ms', 'max_seats', 'process',
    'sales_start', 'sales_end', 'version')
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
    version = meta[9],
  }
end

-- Returns whether a version can be raised. Checked first, because an error of HINCRBY would come after seats were
-- changed. Lua's numbers have 15 digits.
local function is_version(text)
  return text and #text <= 15 and string.match(text, '^%d+$') ~= nil
end

-- Returns the show if it is for sale in this process; nil if it is unknown, damaged (its seats were deleted, its
-- version is no number), or not rebuilt yet.
local function load_show(K)
  local show = load_terms(K)
  if show and show.process == this_process() and is_version(show.version)
    and redis.call('STRLEN', K.seats) == show.size then return show end
  return nil
end

-- Returns open, paused, closed or not_started: what operators decided, within the sales window.
local function sales_state(show, at)
  if show.sales ~= 'open' then return show.sales end
  if show.sales_start and at < show.sales_start then return 'not_started' end
  if show.sales_end and at >= show.sales_end then return 'closed' end
  return 'open'
end

-- Returns whether a record has the fields that functions use after their first write. A person may have changed it.
local function is_hold(hold)
  return type(hold) == 'table' and type(hold.owner) == 'string' and type(hold.seats) == 'table'
    and type(hold.state) == 'string' and type(hold.expires_at) == 'number'
    and (hold.from == nil or type(hold.from) == 'string' and type(hold.since) == 'number')
end

local function decode_hold(record)
  local hold = cjson.decode(record)
  if not is_hold(hold) then error('a record that is no hold') end
  hold.void = hold.void or hold.disowned -- version 6 of this library wrote `disowned`
  return hold
end

-- Returns nil if there is no record; raises an error if there is one that can't be read.
local function load_hold(K, id)
  local record = redis.call('HGET', K.holds, id)
  return record and decode_hold(record) or nil
end

-- The same for callers that must go on in spite of a damaged record: returns nil if it can't be read. Keepers rebuild
-- its show.
local function readable_hold(K, id)
  local read, hold = pcall(load_hold, K, id)
  return read and hold or nil
end

-- cjson can't tell an empty list from an empty object and writes {}.
local function encode_hold(hold)
  return (string.gsub(cjson.encode(hold), ':{}', ':[]'))
end

-- Returns the record of a cancelled booking. With it, the id is not used again, and a later payment is returned.
local function cancelled_hold(owner, seats, payment, at)
  return {
    owner = owner, seats = seats, state = 'released', expires_at = at, extensions = 0, payment = payment,
    cancelled = true,
  }
end

local function save_hold(K, id, hold)
  redis.call('HSET', K.holds, id, encode_hold(hold))
end

-- HSET of a flat list field, value, field, value, ... of any length, also none.
local function set_fields(key, flat)
  for from = 1, #flat, ARGS_PER_COMMAND do
    redis.call('HSET', key, unpack(flat, from, math.min(from + ARGS_PER_COMMAND - 1, #flat)))
  end
end

local function is_live(hold)
  return hold.state == 'held' or hold.state == 'confirming'
end

-- Returns whether a hold has had an order or a payment. Its record then stays for as long as the show does.
local function is_paid_for(hold)
  return hold.order ~= nil or hold.payment ~= nil
end

redis.register_function {
  function_name = 'tt_version',
  callback = function() return VERSION end,
  flags = { 'no-writes' },
}
