-- How a new hold is decided. Two implementations of one decision:
--
--   hold_one   has all the rules: repeated requests, lapsed holds in the way, every refusal.
--   hold_fast  decides the usual case (free neighbouring seats, a new id) without writing, so that a rush of holds
--              costs one set of writes and one published change. It succeeds only if `hold_one` would; in every other
--              case it returns nil, and `hold_one` decides. tests/locks/test_model.py compares both with one model.

local function same_seats(a, b)
  if #a ~= #b then return false end
  for n = 1, #a do
    if a[n] ~= b[n] then return false end
  end
  return true
end

-- Returns the record of a new hold as JSON, spelled out: cjson takes four times as long. Owners and addresses are
-- base64 texts, made by nodes: nothing in them needs escaping.
-- `from` is empty or the address that the seats are counted for; `since` (text): see addresses.lua.
local function new_record(owner, csv, deadline, from, since)
  if from == '' then
    return '{"owner":"' .. owner .. '","seats":[' .. csv .. '],"state":"held","expires_at":' .. deadline
      .. ',"extensions":0}'
  end
  return '{"owner":"' .. owner .. '","seats":[' .. csv .. '],"state":"held","expires_at":' .. deadline
    .. ',"extensions":0,"from":"' .. from .. '","since":' .. since .. '}'
end

-- Returns the answer to a request whose hold exists. The id is made from owner and request_id, so a repeated request
-- finds its own hold.
local function repeated_hold(record, seats, at)
  local known = decode_hold(record)
  if known.void then return { 'hold_lost' } end
  if not same_seats(known.asked or known.seats, seats) then return { 'request_reused' } end
  if known.state == 'expired' or (known.state == 'held' and known.expires_at <= at) then return { 'hold_expired' } end
  if known.state == 'lost' then return { 'hold_lost' } end
  if not is_live(known) and known.state ~= 'booked' then return { 'request_reused' } end
  return { 'ok', record, at }
end

-- Holds all of the seats or none; publishes them as held, and other seats of lapsed holds in their way as free.
-- `bounds`: keep (ms), max_holds of an owner, address_seats and rest_ms (addresses.lua). Counts in `figures` what the
-- call has given and refused (figures.lua).
local function hold_one(K, show, at, id, owner, csv, from, bounds, figures)
  local seats = split_csv(csv)
  local record = redis.call('HGET', K.holds, id)
  if record then return repeated_hold(record, seats, at) end
  local sales = sales_state(show, at)
  if sales == 'not_started' then return { 'sales_not_started', ms_text(show.sales_start) } end
  if sales ~= 'open' then return { 'sales_' .. sales } end
  if #seats == 0 or #seats > show.max_seats then return { 'bad_request', tostring(show.max_seats) } end
  for _, seat in ipairs(seats) do
    if seat >= show.size then return { 'seat_not_found', tostring(seat) } end
  end
  local taken, lapsed = conflicts(K, id, seats, at)
  if #taken > 0 then
    figures.conflicts = (figures.conflicts or 0) + 1
    return { 'seats_taken', table.concat(taken, ',') }
  end
  local others = tonumber(redis.call('HGET', K.owners, owner) or 0)
  for _, gone in pairs(lapsed) do
    if gone.owner == owner then others = others - 1 end
  end
  if others >= bounds.max_holds then return { 'too_many_holds' } end
  local since, refusal = address_allows(K, show, from, seats, lapsed, at, bounds)
  if not since then return refusal end

  local change = {}
  sweep_away(K, lapsed, at, bounds.keep, change)
  set_status(K, seats, HELD, change)
  claim(K, id, seats)
  local deadline = ms_text(at + show.hold_ms)
  record = new_record(owner, csv, deadline, from, ms_text(since))
  redis.call('HSET', K.holds, id, record)
  redis.call('ZADD', K.deadlines, deadline, id)
  count_hold(K, owner)
  if from ~= '' then count_seats(K, from, #seats) end
  publish_change(K, show, change, 'held', id)
  figures.holds = (figures.holds or 0) + 1
  return { 'ok', record, at }
end

-- Returns an empty batch: the holds that the fast path has decided and `commit_batch` has not written yet.
local function new_batch()
  return {
    -- by hold, in the order of the holds: its id, its seats (csv), the first of them, how many there are
    ids = {}, lists = {}, firsts = {}, counts = {},
    taken = {}, records = {}, deadlines = {}, -- what will be written to these keys: flat lists
    seats = {}, known = {}, -- sets of the seats and ids in the batch
    owners = {}, -- what K.owners will have, by field
    read = {}, -- what K.owners has, by field, as far as it was read ahead
    rests = {}, -- whether an address has seats that may have to rest, as far as that is known
  }
end

-- Reads, in two commands, what hold_fast has to know about the owners and addresses of `asks`. This is valid until
-- something is written, so it serves the first batch of a call. Further batches are rare and read for each hold.
local function read_ahead(batch, K, asks, first)
  local fields, rests = {}, {}
  for n = first, #asks, 4 do
    local from = asks[n + 3]
    fields[#fields + 1] = asks[n + 1]
    if from ~= '' and batch.rests[from] == nil then
      batch.rests[from] = false
      fields[#fields + 1] = '@' .. from
      rests[#rests + 1] = rest_key(K, from)
    end
  end
  local found = redis.call('HMGET', K.owners, unpack(fields))
  for n, field in ipairs(fields) do batch.read[field] = tonumber(found[n] or 0) end
  -- If at least one of these addresses has seats that may have to rest, may_rest reads for each address which one.
  if #rests > 0 and redis.call('EXISTS', unpack(rests)) > 0 then batch.rests = {} end
end

-- Returns whether an address has released seats, or let them lapse, a short time ago: some of them may have to rest.
-- Nothing is written while a batch is collected, so the answer stays true for the whole batch.
local function may_rest(batch, K, from)
  local known = batch.rests[from]
  if known == nil then
    known = redis.call('EXISTS', rest_key(K, from)) == 1
    batch.rests[from] = known
  end
  return known
end

-- Returns a number in K.owners as it is after the holds of the batch.
local function count_of(batch, K, field)
  return batch.owners[field] or batch.read[field] or tonumber(redis.call('HGET', K.owners, field) or 0)
end

-- Returns the first and last of ascending neighbouring seats and their number; nil if they are not neighbours.
local function neighbours(csv)
  local first, last, count = nil, nil, 0
  for seat in string.gmatch(csv, '%d+') do
    first = first or tonumber(seat)
    last = seat
    count = count + 1
  end
  last = tonumber(last)
  if count == 0 or last - first ~= count - 1 then return nil end
  return first, last, count
end

-- Adds a hold to the batch and returns its record; nil where `hold_one` has to decide. Reads only. `bounds` as for
-- hold_one, and `now` (text). Asks whether the address has a spell that may go on, not which: hold_one finds that.
local function hold_fast(batch, K, show, deadline, id, owner, csv, from, bounds)
  if batch.known[id] or redis.call('HEXISTS', K.holds, id) == 1 then return nil end
  local first, last, count = neighbours(csv)
  if not first or count > show.max_seats or last >= show.size then return nil end
  for seat = first, last do
    if batch.seats[seat] then return nil end
  end
  if redis.call('GETRANGE', K.seats, first, last) ~= string.rep(FREE, count) then return nil end
  local others, held = count_of(batch, K, owner), 0 -- holds of the owner, seats of the address
  if others >= bounds.max_holds then return nil end
  local address = from ~= '' and '@' .. from
  if address then
    held = count_of(batch, K, address)
    if held + count > bounds.address_seats or may_rest(batch, K, from) then return nil end
  end

  local n, taken = #batch.ids + 1, batch.taken
  local record = new_record(owner, csv, deadline, from, bounds.now)
  batch.ids[n], batch.lists[n], batch.firsts[n], batch.counts[n] = id, csv, first, count
  batch.known[id], batch.owners[owner] = true, others + 1
  if address then batch.owners[address] = held + count end
  batch.records[2 * n - 1], batch.records[2 * n] = id, record
  batch.deadlines[2 * n - 1], batch.deadlines[2 * n] = deadline, id
  for seat = first, last do
    batch.seats[seat] = true
    taken[#taken + 1] = seat
    taken[#taken + 1] = id
  end
  return record
end

-- Writes a batch and publishes its seats as held: one change. Counts in `figures`.
local function commit_batch(batch, K, show, figures)
  if #batch.ids == 0 then return end
  figures.holds = (figures.holds or 0) + #batch.ids
  for n, first in ipairs(batch.firsts) do
    redis.call('SETRANGE', K.seats, first, string.rep(HELD, batch.counts[n]))
  end
  local owners = {}
  for owner, count in pairs(batch.owners) do
    owners[#owners + 1] = owner
    owners[#owners + 1] = count
  end
  set_fields(K.taken, batch.taken)
  set_fields(K.holds, batch.records)
  set_fields(K.owners, owners)
  redis.call('ZADD', K.deadlines, unpack(batch.deadlines))
  announce(K, show.epoch, ',"held":[' .. table.concat(batch.lists, ',') .. ']', 'held', table.concat(batch.ids, ' '))
end

-- Decides holds in order, as if each came in its own call. Consecutive fast ones are written and published together.
-- `asks` is a flat list that has id, owner, seats (csv, ascending), from of each hold, from place `first` on.
local function decide_holds(K, bounds, asks, first)
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local at, replies, batch, figures = now_ms(), {}, new_batch(), {}
  local deadline, on_sale = ms_text(at + show.hold_ms), sales_state(show, at) == 'open'
  bounds.now, bounds.address_seats = ms_text(at), seats_of_address(show, bounds)
  read_ahead(batch, K, asks, first)
  for n = first, #asks, 4 do
    local id, owner, csv, from = asks[n], asks[n + 1], asks[n + 2], asks[n + 3]
    local record = on_sale and hold_fast(batch, K, show, deadline, id, owner, csv, from, bounds)
    if record then
      replies[#replies + 1] = { 'ok', record, at }
    else
      commit_batch(batch, K, show, figures)
      batch = new_batch()
      replies[#replies + 1] = hold_one(K, show, at, id, owner, csv, from, bounds, figures)
    end
  end
  commit_batch(batch, K, show, figures)
  count_figures(K, at, figures)
  return { 'ok', replies }
end

-- tt_holds_from  max_holds, keep, address_seats, rest_ms, then id, owner, seats (csv, ascending), from for each
--   ->  ok, for each: {ok, record, now}, or {code, seats or a number, retry after (ms)}
local function holds_from(keys, args)
  local bounds = {
    max_holds = tonumber(args[1]), keep = tonumber(args[2]),
    address_seats = tonumber(args[3]), rest_ms = tonumber(args[4]),
  }
  return decide_holds(key_names(keys), bounds, args, 5)
end

-- tt_holds  max_holds, keep, then id, owner, seats (csv, ascending) for each  ->  as tt_holds_from
-- The form of nodes of releases before version 12 of this library: without addresses.
local function holds(keys, args)
  local asks = {}
  for n = 3, #args, 3 do
    for k = n, n + 2 do asks[#asks + 1] = args[k] end
    asks[#asks + 1] = ''
  end
  local bounds = { max_holds = tonumber(args[1]), keep = tonumber(args[2]), address_seats = 0 }
  return decide_holds(key_names(keys), bounds, asks, 1)
end

-- tt_hold  id, owner, seats (csv, ascending), max_holds, keep  ->  ok, record, now
-- Decides one hold, in the form of nodes of releases before version 6 of this library.
local function hold(keys, args)
  local K = key_names(keys)
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local bounds = { max_holds = tonumber(args[4]), keep = tonumber(args[5]) }
  return hold_one(K, show, now_ms(), args[1], args[2], args[3], '', bounds, {})
end

redis.register_function('tt_hold', hold)
redis.register_function('tt_holds', holds)
redis.register_function('tt_holds_from', holds_from)
