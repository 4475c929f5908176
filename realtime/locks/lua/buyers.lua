-- The functions that buyers call through a node (extend, release), and those by which nodes and keepers read (get,
-- map).

-- --- verbs on a hold -------------------------------------------------------------------------------------------------

-- Returns the answer for a hold without a record: it never existed, was deleted long after its end, or was lost.
local function unknown_hold(K)
  local rebuilt = tonumber(redis.call('HGET', K.meta, 'rebuilt_at') or '')
  return { rebuilt and now_ms() < rebuilt + LOST_MS and 'hold_lost' or 'hold_not_found' }
end

-- Returns show, hold; third the answer, if there is no such show or hold, or it is another owner's.
local function own_hold(K, id, owner)
  local show = load_show(K)
  if not show then return nil, nil, { 'show_not_found' } end
  local mine = load_hold(K, id)
  if not mine then return show, nil, unknown_hold(K) end
  if mine.owner ~= owner then return show, mine, { 'not_your_hold' } end
  return show, mine, nil
end

-- Returns the answer for a hold that can't be extended or released any more; nil if it can be.
local function not_changeable(mine, at)
  if mine.cancelled then return { 'booking_cancelled' } end
  if ENDED[mine.state] then return ended(mine) end
  if mine.state ~= 'held' then return { 'hold_confirmed' } end
  if mine.expires_at <= at then return { 'hold_expired' } end
  return nil
end

-- tt_extend  id, owner, max_extensions, request  ->  ok, record, now
-- The deadline becomes a full hold time from now, unless sales have ended. Changes no seat, publishes nothing. With a
-- request id the same request is carried out once, and the ledger records the outcome.
local function extend(keys, args)
  local K, id = key_names(keys), args[1]
  local show, mine, refusal = own_hold(K, id, args[2])
  if refusal then return refusal end
  local at = now_ms()
  refusal = not_changeable(mine, at)
  if refusal then return refusal end
  local request = args[4] or ''
  if request ~= '' and mine.extended_by == request then return { 'ok', encode_hold(mine), at } end
  if show.sales_end and at >= show.sales_end then return { 'sales_closed' } end
  if mine.extensions >= tonumber(args[3]) then return { 'extend_limit', ms_text(mine.expires_at) } end
  if request ~= '' then mine.extended_by = request end
  mine.extensions = mine.extensions + 1
  mine.prolonged_ms = nil -- its owner knows the new deadline
  mine.expires_at = at + show.hold_ms
  save_hold(K, id, mine)
  redis.call('ZADD', K.deadlines, mine.expires_at, id)
  log_event(K, 'extended', id, '')
  if request ~= '' then append_outcome(K, request, 'extend', id, mine, at) end
  return { 'ok', encode_hold(mine), at }
end

-- Returns three lists: seats of a hold that are asked for, its other seats, and seats that are asked for but not its
-- own.
local function partition(held, asked)
  local wanted, rest, unknown, is_asked = {}, {}, {}, {}
  for _, seat in ipairs(asked) do is_asked[seat] = true end
  for _, seat in ipairs(held) do
    local list = is_asked[seat] and wanted or rest
    list[#list + 1] = seat
    is_asked[seat] = nil
  end
  for _, seat in ipairs(asked) do
    if is_asked[seat] then unknown[#unknown + 1] = seat end
  end
  return wanted, rest, unknown
end

-- Makes `seats` all that a hold has. What was asked for first stays in its record, so that a repeated hold request
-- still matches.
local function shrink(hold, seats)
  hold.asked = hold.asked or hold.seats
  hold.seats = seats
end

-- tt_release  id, owner, seats (csv; empty: all), keep, request  ->  ok, record, now
-- Releasing a seat twice is allowed: a client may have lost the first answer. Publishes the seats as free.
local function release(keys, args)
  local K, id, keep = key_names(keys), args[1], tonumber(args[4])
  local show, mine, refusal = own_hold(K, id, args[2])
  if refusal then return refusal end
  local at = now_ms()
  if mine.state == 'released' and not mine.cancelled then return { 'ok', encode_hold(mine), at } end
  refusal = not_changeable(mine, at)
  if refusal then return refusal end
  local going, rest, unknown = partition(mine.seats, args[3] == '' and mine.seats or split_csv(args[3]))
  local _, _, never_held = partition(mine.released or {}, unknown)
  if #never_held > 0 then return { 'seat_not_found', table.concat(never_held, ',') } end

  local change = {}
  if #rest == 0 then
    end_hold(K, id, mine, 'released', at, keep, change)
  elseif #going > 0 then
    free_seats(K, id, going, change)
    uncount_seats(K, mine, #going)
    record_rest(K, mine, going, at)
    shrink(mine, rest)
    mine.released = mine.released or {}
    for _, seat in ipairs(going) do mine.released[#mine.released + 1] = seat end
    save_hold(K, id, mine)
  end
  -- Recorded only if the release changed something: otherwise repeated releases of one hold could fill the ledger.
  if args[5] and args[5] ~= '' and #going > 0 then append_outcome(K, args[5], 'release', id, mine, at) end
  publish_change(K, show, change, 'released', id)
  return { 'ok', encode_hold(mine), at }
end

-- --- reading ---------------------------------------------------------------------------------------------------------

-- tt_get  id  ->  ok, record, now
-- Any hold or booking, also of others and ended ones: the caller compares the owner.
local function get(keys, args)
  local K = key_names(keys)
  if not load_show(K) then return { 'show_not_found' } end
  local record = redis.call('HGET', K.holds, args[1])
  if not record then return unknown_hold(K) end
  return { 'ok', record, now_ms() }
end

-- tt_map  ->  ok, epoch, version, seats
-- Returns the whole map as of one moment.
local function map(keys)
  local meta = redis.call('HMGET', keys[1], 'epoch', 'version')
  local seats = redis.call('GET', keys[2])
  if not meta[1] or not seats then return { 'show_not_found' } end
  return { 'ok', meta[1], tonumber(meta[2]), seats }
end

redis.register_function('tt_extend', extend)
-- A buyer who releases seats must not be refused because memory is full.
redis.register_function { function_name = 'tt_release', callback = release, flags = WHILE_FULL }
redis.register_function { function_name = 'tt_get', callback = get, flags = { 'no-writes' } }
redis.register_function { function_name = 'tt_map', callback = map, flags = { 'no-writes' } }
