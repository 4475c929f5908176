#!lua name=tickingtickets
--[[
The authority over seats: every decision about a seat is one of these functions on the owning master.

Data of a show (KEYS of every function, in this order; realtime/keys.py spells the names)
  1 meta      hash    epoch, version, sales (open|paused|closed), size, hold_ms, max_seats, process, rebuilt_at (ms)
  2 seats     string  one ASCII digit a seat in layout order: 0 free, 1 held, 2 sold, 3 blocked
  3 taken     hash    seat index -> hold id, for every held and sold seat
  4 holds     hash    hold id -> JSON {owner, seats, state, expires_at, extensions, released, disowned}
  5 owners    hash    owner -> number of live holds (held or confirming)
  6 deadlines zset    hold id by deadline (ms), of all shows
  7 ended     zset    hold id by the time (ms) its record may be forgotten, of all shows
  8 outbox    stream  what the keepers carry to the ledger
  9 changes   channel what viewers are told
 10 notices   channel what owners are told
 11 log       stream  what happened, for operators: kind, hold (ids), change (as published); the last LOG entries

States of a hold: held -> confirming -> booked; held -> released | expired | lost; confirming -> rejected.

Invariants
  - seats[i] is 1 or 2 exactly when taken[i] names a hold that has i among its seats.
  - Functions run one at a time, on the master's own clock. They check everything before their first write,
    because a Lua error does not undo what came before it.
  - Whoever changes seats raises `version` by one and publishes one message with exactly what changed.
  - A held hold past its deadline is free to the next taker at once, swept or not.
  - A show is for sale only in the process (`process` = its run_id) in which it was declared or rebuilt: a restart, a
    failover, a restored copy may have forgotten what was told, so nothing is told before the ledger was asked.
  - A confirming hold can't expire. Its seats look held until the ledger has it (settle) or refuses it (reject).

Every function returns {'ok', ...} or {code, ...} with a code of realtime/errors.py. Times are ms.
]]

local VERSION = 6
local FREE, HELD, SOLD, BLOCKED = '0', '1', '2', '3'
local LIST = { [FREE] = 'free', [HELD] = 'held', [SOLD] = 'sold', [BLOCKED] = 'blocked' }
local LOG = 20000 -- events of a show that are kept, about
local LOST_MS = 3600000 -- for an hour after a rebuild, a hold that is not known counts as lost in what led to it
local CHUNK = 1000 -- arguments per variadic command, even; Lua's stack takes a few thousand

local function names(keys)
  return {
    meta = keys[1], seats = keys[2], taken = keys[3], holds = keys[4], owners = keys[5],
    deadlines = keys[6], ended = keys[7], outbox = keys[8], changes = keys[9], notices = keys[10], log = keys[11],
  }
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function split(csv)
  local out = {}
  for number in string.gmatch(csv, '%d+') do out[#out + 1] = tonumber(number) end
  return out
end

-- Asked once: a process loads this library anew.
local run_id
local function this_process()
  run_id = run_id or string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  return run_id
end

local function load_terms(K)
  local meta = redis.call('HMGET', K.meta, 'epoch', 'sales', 'size', 'hold_ms', 'max_seats', 'process')
  if not meta[1] then return nil end
  return {
    epoch = meta[1], sales = meta[2], size = tonumber(meta[3]), hold_ms = tonumber(meta[4]),
    max_seats = tonumber(meta[5]), process = meta[6],
  }
end

-- The show, if it is for sale in this process. One that is not yet put right is as good as not there.
local function load_show(K)
  local show = load_terms(K)
  if show and show.process == this_process() then return show end
  return nil
end

local function load_hold(K, id)
  local record = redis.call('HGET', K.holds, id)
  return record and cjson.decode(record) or nil
end

local function save_hold(K, id, hold)
  redis.call('HSET', K.holds, id, cjson.encode(hold))
end

-- Read the digits of seats; neighbours, the usual case, cost one command.
local function digits(K, seats)
  local first, last = math.min(unpack(seats)), math.max(unpack(seats))
  local out = {}
  if last - first < 512 then
    local text = redis.call('GETRANGE', K.seats, first, last)
    for n, seat in ipairs(seats) do out[n] = string.sub(text, seat - first + 1, seat - first + 1) end
  else
    for n, seat in ipairs(seats) do out[n] = redis.call('GETRANGE', K.seats, seat, seat) end
  end
  return out
end

-- Write one digit to seats, a command per run of neighbours, and note it in `change` (seat -> digit).
local function paint(K, seats, digit, change)
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
  for from = 1, #flat, CHUNK do
    redis.call('HSET', key, unpack(flat, from, math.min(from + CHUNK - 1, #flat)))
  end
end

local function take(K, id, seats)
  local flat = {}
  for _, seat in ipairs(seats) do
    flat[#flat + 1] = seat
    flat[#flat + 1] = id
  end
  set_fields(K.taken, flat)
end

-- The seats of a hold that are still its own: a booking that the ledger upheld may have taken some.
local function own_seats(K, id, seats)
  local own = {}
  for _, seat in ipairs(seats) do
    if redis.call('HGET', K.taken, seat) == id then own[#own + 1] = seat end
  end
  return own
end

local function free(K, id, seats, change)
  local own = own_seats(K, id, seats)
  if #own == 0 then return end
  paint(K, own, FREE, change)
  redis.call('HDEL', K.taken, unpack(own))
end

local function note(K, kind, id, message)
  -- A process of an older version names no log, and an error here would come after seats were changed.
  if not K.log then return end
  redis.call('XADD', K.log, 'MAXLEN', '~', LOG, '*', 'kind', kind, 'hold', id, 'change', message)
end

-- Tell viewers what changed, and note it: one version, one message. `what` is more JSON of the message, from its comma.
local function announce(K, epoch, what, kind, id)
  local version = redis.call('HINCRBY', K.meta, 'version', 1)
  local message = '{"epoch":"' .. epoch .. '","version":' .. version .. what .. '}'
  redis.call('PUBLISH', K.changes, message)
  note(K, kind, id, message)
end

-- Announce a change, if it is one. Seats are sorted into lists by status.
local function publish(K, show, change, kind, id)
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
    parts[#parts + 1] = ',"' .. LIST[digit] .. '":[' .. table.concat(list, ',') .. ']'
  end
  announce(K, show.epoch, table.concat(parts), kind, id)
end

local function notice(K, kind, id, owner)
  redis.call('PUBLISH', K.notices, cjson.encode({ kind = kind, hold = id, owner = owner }))
end

local function live(hold)
  return hold.state == 'held' or hold.state == 'confirming'
end

local function one_less(K, owner)
  if redis.call('HINCRBY', K.owners, owner, -1) <= 0 then redis.call('HDEL', K.owners, owner) end
end

local function one_more(K, owner)
  redis.call('HINCRBY', K.owners, owner, 1)
end

-- Take a hold out of life: its seats are freed, its record stays for `keep` ms for late questions.
local function finish(K, id, hold, state, at, keep, change)
  free(K, id, hold.seats, change)
  if live(hold) then one_less(K, hold.owner) end
  hold.state = state
  save_hold(K, id, hold)
  redis.call('ZREM', K.deadlines, id)
  redis.call('ZADD', K.ended, at + keep, id)
end

-- Sort seats into those that stand in the way of a taker and the lapsed holds that may be swept for it.
local function obstacles(K, id, seats, at)
  local taken, lapsed = {}, {}
  local status = digits(K, seats)
  for n, seat in ipairs(seats) do
    if status[n] == HELD then
      local holder = redis.call('HGET', K.taken, seat)
      if holder ~= id then
        local other = lapsed[holder] or load_hold(K, holder)
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

local function sweep(K, lapsed, at, keep, change)
  for id, hold in pairs(lapsed) do
    finish(K, id, hold, 'expired', at, keep, change)
    notice(K, 'expired', id, hold.owner)
  end
end

local function same_seats(a, b)
  if #a ~= #b then return false end
  for n = 1, #a do
    if a[n] ~= b[n] then return false end
  end
  return true
end

local function new_record(owner, csv, deadline)
  return '{"owner":"' .. owner .. '","seats":[' .. csv .. '],"state":"held","expires_at":' .. deadline
    .. ',"extensions":0}'
end

-- Hold seats, or say why not; publishes them as held (and what lapsed holds gave back). All or nothing. The id is made
-- from owner and request_id, so the same request finds its own hold again.
local function hold_one(K, show, at, id, owner, csv, most, keep)
  local seats = split(csv)
  local record = redis.call('HGET', K.holds, id)
  if record then
    local known = cjson.decode(record)
    if known.disowned then return { 'hold_lost' } end
    if not same_seats(known.asked or known.seats, seats) then return { 'request_reused' } end
    if known.state == 'expired' or (known.state == 'held' and known.expires_at <= at) then
      return { 'hold_expired' }
    end
    if known.state == 'lost' then return { 'hold_lost' } end
    if not live(known) and known.state ~= 'booked' then return { 'request_reused' } end
    return { 'ok', record, at }
  end
  if show.sales ~= 'open' then return { 'sales_' .. show.sales } end
  if #seats == 0 or #seats > show.max_seats then return { 'bad_request', tostring(show.max_seats) } end
  for _, seat in ipairs(seats) do
    if seat >= show.size then return { 'seat_not_found', tostring(seat) } end
  end
  local taken, lapsed = obstacles(K, id, seats, at)
  if #taken > 0 then return { 'seats_taken', table.concat(taken, ',') } end
  local others = tonumber(redis.call('HGET', K.owners, owner) or 0)
  for _, gone in pairs(lapsed) do
    if gone.owner == owner then others = others - 1 end
  end
  if others >= most then return { 'too_many_holds' } end

  local change = {}
  sweep(K, lapsed, at, keep, change)
  paint(K, seats, HELD, change)
  take(K, id, seats)
  local deadline = string.format('%.0f', at + show.hold_ms)
  record = new_record(owner, csv, deadline)
  redis.call('HSET', K.holds, id, record)
  redis.call('ZADD', K.deadlines, deadline, id)
  one_more(K, owner)
  publish(K, show, change, 'held', id)
  return { 'ok', record, at }
end

-- Holds that nothing stands in the way of, decided but not written yet.
local function new_run()
  return {
    ids = {}, lists = {}, firsts = {}, counts = {}, taken = {}, records = {}, deadlines = {},
    seats = {}, known = {}, owners = {},
  }
end

-- The usual case: some free neighbours, for an owner who may have them. Notes the hold in `run` and returns its record;
-- returns nil where hold_one has to look closer. Reads only.
local function easy(run, K, show, deadline, id, owner, csv, most)
  if run.known[id] or redis.call('HEXISTS', K.holds, id) == 1 then return nil end
  local taken, count, first, last = run.taken, 0, nil, nil
  for seat in string.gmatch(csv, '%d+') do
    first = first or tonumber(seat)
    last = seat
    count = count + 1
  end
  last = tonumber(last)
  if count == 0 or count > show.max_seats or last - first ~= count - 1 or last >= show.size then return nil end
  for seat = first, last do
    if run.seats[seat] then return nil end
  end
  if redis.call('GETRANGE', K.seats, first, last) ~= string.rep(FREE, count) then return nil end
  local others = run.owners[owner] or tonumber(redis.call('HGET', K.owners, owner) or 0)
  if others >= most then return nil end

  local n = #run.ids + 1
  local record = new_record(owner, csv, deadline)
  run.ids[n], run.lists[n], run.firsts[n], run.counts[n] = id, csv, first, count
  run.known[id], run.owners[owner] = true, others + 1
  run.records[2 * n - 1], run.records[2 * n] = id, record
  run.deadlines[2 * n - 1], run.deadlines[2 * n] = deadline, id
  for seat = first, last do
    run.seats[seat] = true
    taken[#taken + 1] = seat
    taken[#taken + 1] = id
  end
  return record
end

-- Write a run, and publish its seats as held: one change.
local function write(run, K, show)
  if #run.ids == 0 then return end
  for n, first in ipairs(run.firsts) do
    redis.call('SETRANGE', K.seats, first, string.rep(HELD, run.counts[n]))
  end
  local owners = {}
  for owner, count in pairs(run.owners) do
    owners[#owners + 1] = owner
    owners[#owners + 1] = count
  end
  set_fields(K.taken, run.taken)
  set_fields(K.holds, run.records)
  set_fields(K.owners, owners)
  redis.call('ZADD', K.deadlines, unpack(run.deadlines))
  announce(K, show.epoch, ',"held":[' .. table.concat(run.lists, ',') .. ']', 'held', table.concat(run.ids, ' '))
end

-- tt_holds  max_holds, keep, then id, owner, seats (csv, ascending) for each  ->  ok, for each: {ok, record, now} or code
-- One after the other, as if each had been asked by itself; what is asked together is written and published together.
local function holds(keys, args)
  local K, most, keep = names(keys), tonumber(args[1]), tonumber(args[2])
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local at, replies, run = now_ms(), {}, new_run()
  local deadline = string.format('%.0f', at + show.hold_ms)
  for n = 3, #args, 3 do
    local id, owner, csv = args[n], args[n + 1], args[n + 2]
    local record = show.sales == 'open' and easy(run, K, show, deadline, id, owner, csv, most)
    if record then
      replies[#replies + 1] = { 'ok', record, at }
    else
      write(run, K, show)
      run = new_run()
      replies[#replies + 1] = hold_one(K, show, at, id, owner, csv, most, keep)
    end
  end
  write(run, K, show)
  return { 'ok', replies }
end

-- tt_hold  id, owner, seats (csv, ascending), max_holds, keep  ->  ok, record, now
-- One hold, as nodes of before version 6 ask for it.
local function hold(keys, args)
  local K = names(keys)
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  return hold_one(K, show, now_ms(), args[1], args[2], args[3], tonumber(args[4]), tonumber(args[5]))
end

-- There is no record of a hold: it never was, was forgotten long after its end, or a failure has just taken it.
local function unknown(K)
  local rebuilt = redis.call('HGET', K.meta, 'rebuilt_at')
  return { rebuilt and now_ms() < rebuilt + LOST_MS and 'hold_lost' or 'hold_not_found' }
end

-- Whoever is told that a hold is lost will hear nothing else, even if a request of before comes late: it can't be made
-- or paid for any more.
local function bury(K, id, owner, at, keep)
  redis.call('HSET', K.holds, id, '{"owner":"' .. owner .. '","seats":[],"state":"lost","expires_at":'
    .. string.format('%.0f', at) .. ',"extensions":0,"disowned":true}')
  redis.call('ZADD', K.ended, at + keep, id)
end

-- What every verb on a hold asks first; returns show, hold or an error.
local function own_hold(K, id, owner)
  local show = load_show(K)
  if not show then return nil, nil, { 'show_not_found' } end
  local mine = load_hold(K, id)
  if not mine then return show, nil, unknown(K) end
  if mine.owner ~= owner then return show, mine, { 'not_your_hold' } end
  return show, mine, nil
end

local ENDED = { released = 'hold_ended', expired = 'hold_expired', lost = 'hold_lost', rejected = 'booking_rejected' }

-- tt_extend  id, owner, max_extensions  ->  ok, record, now
-- The deadline becomes a full hold time from now. Changes no seat, publishes nothing.
local function extend(keys, args)
  local K, id = names(keys), args[1]
  local show, mine, refusal = own_hold(K, id, args[2])
  if refusal then return refusal end
  local at = now_ms()
  if ENDED[mine.state] then return { ENDED[mine.state] } end
  if mine.state ~= 'held' then return { 'hold_confirmed' } end
  if mine.expires_at <= at then return { 'hold_expired' } end
  if mine.extensions >= tonumber(args[3]) then
    return { 'extend_limit', string.format('%.0f', mine.expires_at) }
  end
  mine.extensions = mine.extensions + 1
  mine.expires_at = at + show.hold_ms
  save_hold(K, id, mine)
  redis.call('ZADD', K.deadlines, mine.expires_at, id)
  note(K, 'extended', id, '', '')
  return { 'ok', cjson.encode(mine), at }
end

-- tt_release  id, owner, seats (csv; empty: all), keep  ->  ok, record, now
-- Seats given back once may be given back again: a lost ack is answered, not refused. Publishes them as free.
local function release(keys, args)
  local K, id, keep = names(keys), args[1], tonumber(args[4])
  local show, mine, refusal = own_hold(K, id, args[2])
  if refusal then return refusal end
  local at = now_ms()
  if mine.state == 'released' then return { 'ok', cjson.encode(mine), at } end
  if ENDED[mine.state] then return { ENDED[mine.state] } end
  if mine.state ~= 'held' then return { 'hold_confirmed' } end
  if mine.expires_at <= at then return { 'hold_expired' } end
  local going, gone, unknown = {}, {}, {}
  local has, had = {}, {}
  for _, seat in ipairs(mine.seats) do has[seat] = true end
  for _, seat in ipairs(mine.released or {}) do had[seat] = true end
  for _, seat in ipairs(args[3] == '' and mine.seats or split(args[3])) do
    if has[seat] then
      going[#going + 1] = seat
      gone[seat] = true
    elseif not had[seat] then
      unknown[#unknown + 1] = seat
    end
  end
  if #unknown > 0 then return { 'seat_not_found', table.concat(unknown, ',') } end
  local rest = {}
  for _, seat in ipairs(mine.seats) do
    if not gone[seat] then rest[#rest + 1] = seat end
  end
  local change = {}
  if #rest == 0 then
    finish(K, id, mine, 'released', at, keep, change)
  elseif #going > 0 then
    free(K, id, going, change)
    -- What was asked for stays known, so that a replay of the hold's own request still finds it.
    mine.asked = mine.asked or mine.seats
    mine.seats = rest
    mine.released = mine.released or {}
    for _, seat in ipairs(going) do mine.released[#mine.released + 1] = seat end
    save_hold(K, id, mine)
  end
  publish(K, show, change, 'released', id)
  return { 'ok', cjson.encode(mine), at }
end

-- A payment that can't become a booking goes back through the outbox; twice is harmless, the job's id is the hold's.
local function refund(K, id, owner, payment, at, reason)
  redis.call('XADD', K.outbox, '*', 'kind', 'refund', 'hold', id, 'owner', owner, 'payment', payment,
    'at', string.format('%.0f', at), 'reason', reason)
end

-- Sort the seats of a hold into those that are asked for and the others; third: asked for, and not among them.
local function sift(held, asked)
  local wanted, others, unknown, is = {}, {}, {}, {}
  for _, seat in ipairs(asked) do is[seat] = true end
  for _, seat in ipairs(held) do
    local list = is[seat] and wanted or others
    list[#list + 1] = seat
    is[seat] = nil
  end
  for _, seat in ipairs(asked) do
    if is[seat] then unknown[#unknown + 1] = seat end
  end
  return wanted, others, unknown
end

-- tt_confirm  id, owner, payment, outbox_limit, keep, seats (csv; empty: all)  ->  ok, record, now
-- held -> confirming and one outbox entry, in one step; asked again it answers the same. A payment that comes after
-- the deadline, or after a failure took the hold, takes the seats again if nobody else has them; else it is refunded,
-- and so is one for a hold that is disowned or not known here.
-- With seats, only these are booked and the others given back: this master may have forgotten that they were released.
local function confirm(keys, args)
  local K, id, keep = names(keys), args[1], tonumber(args[5])
  local show, mine, refusal = own_hold(K, id, args[2])
  local at = now_ms()
  if not show or (refusal and mine) then return refusal end
  if mine and (mine.state == 'confirming' or mine.state == 'booked') then return { 'ok', cjson.encode(mine), at } end
  if mine and mine.state == 'rejected' then return { ENDED.rejected } end
  if redis.call('XLEN', K.outbox) >= tonumber(args[4]) then return { 'overloaded' } end
  if not mine or mine.state == 'released' or mine.disowned then
    refund(K, id, args[2], args[3], at, mine and mine.state or 'lost')
    if not mine then bury(K, id, args[2], at, keep) end
    return refusal or { ENDED[mine.state] }
  end
  local change, others, not_held = {}, {}, {}
  local wanted = mine.seats
  if args[6] ~= '' then wanted, others, not_held = sift(mine.seats, split(args[6])) end
  if #not_held > 0 then return { 'seat_not_found', table.concat(not_held, ',') } end

  if #others > 0 then
    free(K, id, others, change)
    mine.asked = mine.asked or mine.seats
    mine.seats = wanted
  end
  if mine.state ~= 'held' or mine.expires_at <= at then
    local taken, lapsed = obstacles(K, id, mine.seats, at)
    if #taken > 0 or show.sales ~= 'open' then
      finish(K, id, mine, 'rejected', at, keep, change)
      refund(K, id, mine.owner, args[3], at, 'late')
      publish(K, show, change, 'rejected', id)
      return { 'booking_rejected', table.concat(taken, ',') }
    end
    sweep(K, lapsed, at, keep, change)
    if mine.state ~= 'held' then
      paint(K, mine.seats, HELD, change)
      take(K, id, mine.seats)
      one_more(K, mine.owner)
      redis.call('ZREM', K.ended, id)
    end
  end
  mine.state = 'confirming'
  save_hold(K, id, mine)
  redis.call('ZREM', K.deadlines, id)
  redis.call('XADD', K.outbox, '*', 'kind', 'booking', 'hold', id, 'owner', mine.owner, 'seats',
    table.concat(mine.seats, ','), 'payment', args[3], 'at', string.format('%.0f', at))
  if next(change) then publish(K, show, change, 'confirmed', id) else note(K, 'confirmed', id, '') end
  return { 'ok', cjson.encode(mine), at }
end

-- tt_get  id  ->  ok, record, now
local function get(keys, args)
  local K = names(keys)
  if not load_show(K) then return { 'show_not_found' } end
  local record = redis.call('HGET', K.holds, args[1])
  if not record then return unknown(K) end
  return { 'ok', record, now_ms() }
end

-- tt_map  ->  ok, epoch, version, seats
-- The whole map of one moment.
local function map(keys)
  local meta = redis.call('HMGET', keys[1], 'epoch', 'version')
  if not meta[1] then return { 'show_not_found' } end
  return { 'ok', meta[1], tonumber(meta[2]), redis.call('GET', keys[2]) }
end

-- What the ledger gives to a booking is the booking's, whatever the master remembers.
local function seize(K, id, seats, at, keep, change)
  for _, seat in ipairs(seats) do
    local holder = redis.call('HGET', K.taken, seat)
    if holder and holder ~= id then
      local other = load_hold(K, holder)
      -- A confirming one is the ledger's to refuse; it loses the seat here and the rest by tt_reject.
      if other and other.state == 'held' then
        finish(K, holder, other, 'lost', at, keep, change)
        notice(K, 'lost', holder, other.owner)
      end
    end
  end
  paint(K, seats, SOLD, change)
  take(K, id, seats)
end

local function sell(K, id, owner, seats, at, keep, change)
  seize(K, id, seats, at, keep, change)
  local mine = load_hold(K, id)
  if mine and live(mine) then one_less(K, mine.owner) end
  redis.call('ZREM', K.deadlines, id)
  redis.call('ZREM', K.ended, id)
  save_hold(K, id, {
    owner = owner, seats = seats, state = 'booked', expires_at = mine and mine.expires_at or at,
    extensions = mine and mine.extensions or 0, asked = mine and mine.asked,
  })
  notice(K, 'booked', id, owner)
end

-- tt_settle  keep, then id, owner, seats (csv, ascending) for each booking that the ledger has  ->  ok
-- Idempotent: what is booked already is left alone. Publishes the seats as sold.
local function settle(keys, args)
  local K, keep = names(keys), tonumber(args[1])
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local at, change, ids = now_ms(), {}, {}
  for n = 2, #args, 3 do
    local known = load_hold(K, args[n])
    if not known or known.state ~= 'booked' then
      sell(K, args[n], args[n + 1], split(args[n + 2]), at, keep, change)
      ids[#ids + 1] = args[n]
    end
  end
  publish(K, show, change, 'booked', table.concat(ids, ' '))
  return { 'ok' }
end

-- tt_reject  id, owner, keep, then seat, hold id for each seat that the ledger gives to another  ->  ok
-- The ledger refused the booking: its seats are put right and its owner is told. Idempotent.
local function reject(keys, args)
  local K, id, owner, keep = names(keys), args[1], args[2], tonumber(args[3])
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local at, change = now_ms(), {}
  local mine = load_hold(K, id)
  if mine and mine.state ~= 'booked' then
    local first = mine.state ~= 'rejected'
    finish(K, id, mine, 'rejected', at, keep, change)
    if first then notice(K, 'rejected', id, mine.owner) end
  elseif not mine then
    notice(K, 'rejected', id, owner)
  end
  for n = 4, #args, 2 do
    seize(K, args[n + 1], { tonumber(args[n]) }, at, keep, change)
  end
  publish(K, show, change, 'rejected', id)
  return { 'ok' }
end

-- tt_expire  keep, then hold ids  ->  ok, number expired
-- Frees those past their deadline by this clock; one message for all of them.
local function expire(keys, args)
  local K, keep = names(keys), tonumber(args[1])
  local at, change, count = now_ms(), {}, 0
  local show = load_show(K)
  if not show and load_terms(K) then return { 'ok', 0 } end
  for n = 2, #args do
    local due = show and load_hold(K, args[n])
    if not due or due.state ~= 'held' then
      redis.call('ZREM', K.deadlines, args[n])
    elseif due.expires_at <= at then
      sweep(K, { [args[n]] = due }, at, keep, change)
      count = count + 1
    end
  end
  if show then publish(K, show, change, 'expired', table.concat(args, ' ', 2)) end
  return { 'ok', count }
end

-- tt_forget  hold ids  ->  ok
-- Drops the records of ended holds; those of live holds and bookings stay.
local function forget(keys, args)
  local K = names(keys)
  for _, id in ipairs(args) do
    local old = load_hold(K, id)
    if old and ENDED[old.state] then redis.call('HDEL', K.holds, id) end
    redis.call('ZREM', K.ended, id)
  end
  return { 'ok' }
end

-- tt_block  keep, seats (csv, ascending)  ->  ok
-- All must be free (or blocked already). Publishes them as blocked.
local function block(keys, args)
  local K, seats = names(keys), split(args[2])
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local at, change, going, taken, lapsed = now_ms(), {}, {}, {}, {}
  for _, seat in ipairs(seats) do
    if seat >= show.size then return { 'seat_not_found', tostring(seat) } end
    if redis.call('GETRANGE', K.seats, seat, seat) ~= BLOCKED then
      local in_way, gone = obstacles(K, '', { seat }, at)
      if #in_way > 0 then taken[#taken + 1] = seat end
      for id, old in pairs(gone) do lapsed[id] = old end
      going[#going + 1] = seat
    end
  end
  if #taken > 0 then return { 'seats_taken', table.concat(taken, ',') } end
  sweep(K, lapsed, at, tonumber(args[1]), change)
  paint(K, going, BLOCKED, change)
  publish(K, show, change, 'blocked', '')
  return { 'ok' }
end

-- tt_unblock  seats (csv, ascending)  ->  ok
-- Puts blocked seats back on sale; others are left alone.
local function unblock(keys, args)
  local K = names(keys)
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local change, going = {}, {}
  for _, seat in ipairs(split(args[1])) do
    if redis.call('GETRANGE', K.seats, seat, seat) == BLOCKED then going[#going + 1] = seat end
  end
  paint(K, going, FREE, change)
  publish(K, show, change, 'unblocked', '')
  return { 'ok' }
end

local function announce_sales(K, epoch, sales)
  announce(K, epoch, ',"sales":"' .. sales .. '"', 'sales_' .. sales, '')
end

-- tt_declare  epoch, size, sales, hold_ms, max_seats, for_sale (1 | 0)  ->  ok, 1 if made, 0 if it was there
-- Makes the state of a show; where there is one, only its terms change. With 0 it is for sale once it is rebuilt.
local function declare(keys, args)
  local K = names(keys)
  local show = load_terms(K)
  redis.call('HSET', K.meta, 'sales', args[3], 'hold_ms', args[4], 'max_seats', args[5])
  if show then
    if show.sales ~= args[3] then announce_sales(K, show.epoch, args[3]) end
    return { 'ok', 0 }
  end
  redis.call('SET', K.seats, string.rep(FREE, tonumber(args[2])))
  redis.call('HSET', K.meta, 'epoch', args[1], 'version', 1, 'size', args[2])
  if args[6] == '1' then redis.call('HSET', K.meta, 'process', this_process()) end
  return { 'ok', 1 }
end

-- tt_sales  state  ->  ok
local function sales(keys, args)
  local K = names(keys)
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  if show.sales ~= args[1] then
    redis.call('HSET', K.meta, 'sales', args[1])
    announce_sales(K, show.epoch, args[1])
  end
  return { 'ok' }
end

-- tt_rebuild  epoch, keep, JSON {sold: [[hold id, owner, [seat]]], blocked: [seat], astray}
--   ->  ok, lost (hold id, owner, ...)
-- After the master may have lost or gained the wrong memory: bookings of the ledger are sold, live holds that don't
-- collide with them stay, those that do are lost. Confirming ones stay: their outbox entry decides. What stands here
-- as booked stays sold even if the list lacks it, because a keeper may have committed it a moment ago.
-- `astray`: another master has sold since this memory is of; what it says of holds may contradict what was told there,
-- so none of them stays, paid or not, or can be paid for (disowned). From now on the show is for sale in this process.
-- Publishes the new epoch alone: versions can't be compared across it, so receivers read the snapshot again.
local function rebuild(keys, args)
  local K, epoch, keep, truth = names(keys), args[1], tonumber(args[2]), cjson.decode(args[3])
  local show = load_terms(K)
  if not show then return { 'show_not_found' } end
  local at = now_ms()
  local map, taken, owners, lost = {}, {}, {}, {}
  for seat = 0, show.size - 1 do map[seat] = FREE end
  for _, seat in ipairs(truth.blocked) do map[seat] = BLOCKED end
  local function claim(id, seats, digit)
    for _, seat in ipairs(seats) do
      map[seat] = digit
      taken[seat] = id
    end
  end
  local booked = {}
  for _, sale in ipairs(truth.sold) do
    booked[sale[1]] = true
    claim(sale[1], sale[3], SOLD)
  end
  local records = redis.call('HGETALL', K.holds)
  local waiting, remembered, ended = {}, {}, {}
  for n = 1, #records, 2 do
    local id, known = records[n], cjson.decode(records[n + 1])
    remembered[id] = known
    if not booked[id] then
      if known.state == 'booked' then
        claim(id, known.seats, SOLD)
      elseif live(known) then
        waiting[#waiting + 1] = { id, known }
      elseif truth.astray and (known.state == 'expired' or known.state == 'lost') then
        ended[#ended + 1] = id
      end
    end
  end
  -- Confirming ones first: a payment outranks a hold that is only waiting for one.
  table.sort(waiting, function(a, b) return a[2].state < b[2].state end)
  for _, entry in ipairs(waiting) do
    local id, known, clear = entry[1], entry[2], not truth.astray
    for _, seat in ipairs(known.seats) do
      if map[seat] ~= FREE then clear = false end
    end
    if clear then
      claim(id, known.seats, HELD)
    elseif known.state == 'held' or truth.astray then
      lost[#lost + 1] = id
      lost[#lost + 1] = known.owner
    end
    if clear or (known.state == 'confirming' and not truth.astray) then
      owners[known.owner] = (owners[known.owner] or 0) + 1
    end
  end

  local text, holders, counts, bookings = {}, {}, {}, {}
  for seat = 0, show.size - 1 do
    text[seat + 1] = map[seat]
    if taken[seat] then
      holders[#holders + 1] = seat
      holders[#holders + 1] = taken[seat]
    end
  end
  for owner, count in pairs(owners) do
    counts[#counts + 1] = owner
    counts[#counts + 1] = count
  end
  for _, sale in ipairs(truth.sold) do
    local known = remembered[sale[1]]
    if not known or known.state ~= 'booked' then
      bookings[#bookings + 1] = sale[1]
      bookings[#bookings + 1] = cjson.encode({
        owner = sale[2], seats = sale[3], state = 'booked', expires_at = at, extensions = 0,
      })
    end
    if known and known.state ~= 'booked' then
      redis.call('ZREM', K.deadlines, sale[1])
      redis.call('ZREM', K.ended, sale[1])
      notice(K, 'booked', sale[1], sale[2])
    end
  end
  redis.call('SET', K.seats, table.concat(text))
  redis.call('DEL', K.taken, K.owners)
  set_fields(K.taken, holders)
  set_fields(K.owners, counts)
  set_fields(K.holds, bookings)
  for _, entry in ipairs(waiting) do
    if entry[2].state == 'held' then redis.call('ZADD', K.deadlines, entry[2].expires_at, entry[1]) end
  end
  local function lose(id)
    local gone = remembered[id]
    gone.state, gone.disowned = 'lost', truth.astray or nil
    save_hold(K, id, gone)
  end
  for _, id in ipairs(ended) do lose(id) end
  for n = 1, #lost, 2 do
    lose(lost[n])
    redis.call('ZREM', K.deadlines, lost[n])
    redis.call('ZADD', K.ended, at + keep, lost[n])
    notice(K, 'lost', lost[n], lost[n + 1])
  end
  redis.call('HSET', K.meta, 'epoch', epoch, 'rebuilt_at', string.format('%.0f', at),
    'process', this_process())
  announce(K, epoch, '', 'rebuilt', '')
  return { 'ok', lost }
end

local function version() return VERSION end

redis.register_function('tt_hold', hold)
redis.register_function('tt_holds', holds)
redis.register_function('tt_extend', extend)
redis.register_function('tt_release', release)
redis.register_function('tt_confirm', confirm)
redis.register_function { function_name = 'tt_get', callback = get, flags = { 'no-writes' } }
redis.register_function { function_name = 'tt_map', callback = map, flags = { 'no-writes' } }
redis.register_function('tt_settle', settle)
redis.register_function('tt_reject', reject)
redis.register_function('tt_expire', expire)
redis.register_function('tt_forget', forget)
redis.register_function('tt_block', block)
redis.register_function('tt_unblock', unblock)
redis.register_function('tt_declare', declare)
redis.register_function('tt_sales', sales)
redis.register_function('tt_rebuild', rebuild)
redis.register_function { function_name = 'tt_version', callback = version, flags = { 'no-writes' } }
