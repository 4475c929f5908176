-- The functions that keepers call for operators: they block and unblock seats, open, pause and close sales, move a
-- booking to other seats, and cancel a booking. Owners may cancel too.

-- Operators may name most seats of a stadium: the map is read once, not seat by seat.
local function digit_of(map, seat)
  return string.sub(map, seat + 1, seat + 1)
end

-- tt_block  keep, seats (csv, ascending), epoch  ->  ok, epoch
-- All seats must be free or blocked already. Publishes them as blocked, if the show has this epoch. With CHECK in place
-- of an epoch, the seats are only checked: many seats are first checked and then blocked, in several calls, and the
-- epoch shows that there was no rebuild in between. Keepers of releases before version 19 give no epoch.
local CHECK = '?'
local function block(keys, args)
  local K, seats, epoch = key_names(keys), split_csv(args[2]), args[3]
  local show = load_show(K)
  local other_epoch = show and epoch and epoch ~= CHECK and epoch ~= show.epoch
  if not show or other_epoch then return { 'show_not_found' } end
  local at, change, going, in_doubt, taken, lapsed = now_ms(), {}, {}, {}, {}, {}
  local map = redis.call('GET', K.seats)
  for _, seat in ipairs(seats) do
    if seat >= show.size then return { 'seat_not_found', tostring(seat) } end
    local digit = digit_of(map, seat)
    if digit ~= BLOCKED then going[#going + 1] = seat end
    if digit ~= BLOCKED and digit ~= FREE then in_doubt[#in_doubt + 1] = seat end
  end
  if #in_doubt > 0 then taken, lapsed = conflicts(K, '', in_doubt, at) end
  if #taken > 0 then return { 'seats_taken', table.concat(taken, ',') } end
  if epoch == CHECK then return { 'ok', show.epoch } end
  sweep_away(K, lapsed, at, tonumber(args[1]), change)
  set_status(K, going, BLOCKED, change)
  publish_change(K, show, change, 'blocked', '')
  return { 'ok', show.epoch }
end

-- tt_unblock  seats (csv, ascending)  ->  ok
-- Makes blocked seats free; ignores seats that are not blocked.
local function unblock(keys, args)
  local K = key_names(keys)
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local change, going, map = {}, {}, redis.call('GET', K.seats)
  for _, seat in ipairs(split_csv(args[1])) do
    if digit_of(map, seat) == BLOCKED then going[#going + 1] = seat end
  end
  set_status(K, going, FREE, change)
  publish_change(K, show, change, 'unblocked', '')
  return { 'ok' }
end

-- tt_sales  state (open | paused | closed)  ->  ok
local function sales(keys, args)
  local K = key_names(keys)
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  if show.sales ~= args[1] then
    redis.call('HSET', K.meta, 'sales', args[1])
    announce_sales(K, show.epoch, args[1])
  end
  return { 'ok' }
end

-- --- exchange --------------------------------------------------------------------------------------------------------
-- A booking moves to other seats in three steps: the new seats are reserved here (held, for this booking), the ledger
-- records the exchange, then one call sells the new seats and frees the old ones. Nobody else has either meanwhile.

-- Returns all seats of a booking: those that it has, and those that are reserved for it.
local function all_seats(booking)
  local seats = {}
  for _, seat in ipairs(booking.seats) do seats[#seats + 1] = seat end
  for _, seat in ipairs(booking.reserved or {}) do seats[#seats + 1] = seat end
  return seats
end

-- Returns the seats of the first list that are not in the second.
local function without(seats, others)
  local among, rest = {}, {}
  for _, seat in ipairs(others) do among[seat] = true end
  for _, seat in ipairs(seats) do
    if not among[seat] then rest[#rest + 1] = seat end
  end
  return rest
end

-- tt_reserve  keep, id, seats (csv, ascending)  ->  ok
-- Reserves the seats that a booking does not have yet, all or none, until tt_exchange or tt_cancel. Idempotent.
local function reserve(keys, args)
  local K, id, seats = key_names(keys), args[2], split_csv(args[3])
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local mine, at, change = load_hold(K, id), now_ms(), {}
  if not mine or mine.state ~= 'booked' then return { 'booking_cancelled' } end
  if seats[#seats] >= show.size then return { 'seat_not_found', tostring(seats[#seats]) } end
  local wanted, before = without(seats, mine.seats), mine.reserved or {}
  if #wanted == 0 then return { 'ok' } end
  local taken, lapsed = conflicts(K, id, wanted, at)
  if #taken > 0 then return { 'seats_taken', table.concat(taken, ',') } end
  sweep_away(K, lapsed, at, tonumber(args[1]), change)
  free_seats(K, id, without(before, wanted), change)
  set_status(K, without(wanted, before), HELD, change)
  claim(K, id, wanted)
  mine.reserved = wanted
  save_hold(K, id, mine)
  publish_change(K, show, change, 'reserved', id)
  return { 'ok' }
end

-- tt_exchange  keep, id, seats (csv, ascending), exchanges  ->  ok
-- Gives a booking exactly these seats, which the ledger has for it after so many exchanges, and frees its others. With
-- the booking's present seats it undoes tt_reserve. Idempotent; if a later exchange is known, nothing changes.
local function exchange(keys, args)
  local K, id, seats, exchanges = key_names(keys), args[2], split_csv(args[3]), tonumber(args[4])
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local mine, at, change = load_hold(K, id), now_ms(), {}
  if not mine or mine.state ~= 'booked' or (mine.exchanges or 0) > exchanges then return { 'ok' } end
  local moved = #without(seats, mine.seats) > 0
  free_seats(K, id, without(all_seats(mine), seats), change)
  override(K, id, without(seats, mine.seats), at, tonumber(args[1]), change)
  mine.seats, mine.reserved, mine.exchanges = seats, nil, exchanges
  save_hold(K, id, mine)
  if moved then notify(K, 'booked', id, mine.owner, seats) end
  publish_change(K, show, change, 'exchanged', id)
  return { 'ok' }
end

-- tt_cancel  id, owner, seats (csv, ascending), payment  ->  ok
-- Frees the seats of a booking that the ledger has cancelled, and notifies its owner. Idempotent.
local function cancel(keys, args)
  local K, id, owner, seats = key_names(keys), args[1], args[2], split_csv(args[3])
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local mine, change = readable_hold(K, id), {}
  if mine and mine.cancelled then return { 'ok' } end
  free_seats(K, id, seats, change)
  if mine then free_seats(K, id, all_seats(mine), change) end -- an exchange may be under way
  if mine and is_live(mine) then uncount_hold(K, mine.owner) end
  save_hold(K, id, cancelled_hold(owner, seats, args[4], now_ms()))
  redis.call('ZREM', K.deadlines, id)
  redis.call('ZREM', K.ended, id)
  notify(K, 'cancelled', id, owner, seats)
  publish_change(K, show, change, 'cancelled', id)
  return { 'ok' }
end

register_keeper_function('block', block)
register_keeper_function('unblock', unblock)
register_keeper_function('sales', sales)
register_keeper_function('reserve', reserve)
register_keeper_function('exchange', exchange)
register_keeper_function('cancel', cancel)
