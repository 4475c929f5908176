-- The functions that keepers call all the time: they bring bookings of the ledger onto the map, and sweep lapsed holds.

-- --- the record path -------------------------------------------------------------------------------------------------

-- Gives seats to a booking of the ledger, whatever this master has for them.
local function override(K, id, seats, at, keep, change)
  for _, holder in ipairs(holders_of(K, seats)) do
    if holder and holder ~= id then
      local other = readable_hold(K, holder)
      -- A confirming hold loses only this seat here. The ledger decides about it, and tt_reject then frees its other
      -- seats.
      if other and other.state == 'held' then
        end_hold(K, holder, other, 'lost', at, keep, change)
        notify(K, 'lost', holder, other.owner)
      end
    end
  end
  set_status(K, seats, SOLD, change)
  claim(K, id, seats)
end

-- Makes a booking of the ledger sold here, with the record of the hold that it was, if there is one. Deadlines, counts
-- and addresses of the hold end.
local function sell(K, id, owner, seats, payment, at, keep, change)
  override(K, id, seats, at, keep, change)
  local mine = readable_hold(K, id)
  if mine and is_live(mine) then uncount_hold(K, mine.owner) end
  if mine then uncount_seats(K, mine, #mine.seats) end
  redis.call('ZREM', K.deadlines, id)
  redis.call('ZREM', K.ended, id)
  save_hold(K, id, {
    owner = owner,
    seats = seats,
    state = 'booked',
    expires_at = mine and mine.expires_at or at,
    extensions = mine and mine.extensions or 0,
    asked = mine and mine.asked,
    order = mine and mine.order,
    payment = payment ~= '' and payment or mine and mine.payment,
  })
  notify(K, 'booked', id, owner, seats)
end

-- tt_settle_paid  keep, then id, owner, seats (csv, ascending), payment for each booking that the ledger has  ->  ok
-- Idempotent: a booking that is on the map already stays as it is. Publishes the seats as sold.
local function settle_paid(keys, args)
  local K, keep = key_names(keys), tonumber(args[1])
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local at, change, ids = now_ms(), {}, {}
  for n = 2, #args, 4 do
    local known = readable_hold(K, args[n])
    -- The keeper may have read the ledger before the booking was cancelled.
    local done = known and (known.state == 'booked' or known.cancelled)
    if not done then
      sell(K, args[n], args[n + 1], split_csv(args[n + 2]), args[n + 3], at, keep, change)
      ids[#ids + 1] = args[n]
    end
  end
  publish_change(K, show, change, 'booked', table.concat(ids, ' '))
  return { 'ok' }
end

-- tt_settle_entries  keep, then entry, id, owner, seats, payment for each booking  ->  ok
-- The same for bookings whose entries are still in the outbox; the others were settled by another keeper, and may have
-- been cancelled since.
local function settle_entries(keys, args)
  local open = { args[1] }
  for n = 2, #args, 5 do
    if has_entry(keys[8], args[n]) then
      for k = n + 1, n + 4 do open[#open + 1] = args[k] end
    end
  end
  return settle_paid(keys, open)
end

-- tt_settle  keep, then id, owner, seats for each booking  ->  ok
-- The form of keepers of the previous release: without the payments.
local function settle(keys, args)
  local with_payments = { args[1] }
  for n = 2, #args, 3 do
    for k = n, n + 2 do with_payments[#with_payments + 1] = args[k] end
    with_payments[#with_payments + 1] = ''
  end
  return settle_paid(keys, with_payments)
end

-- tt_reject  id, owner, keep, then seat, hold id for each seat that the ledger gives to another  ->  ok
-- For a booking that the ledger has refused: its seats become free, or sold to the bookings that have them, and its
-- owner is notified.
-- Idempotent.
local function reject(keys, args)
  local K, id, owner, keep = key_names(keys), args[1], args[2], tonumber(args[3])
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local at, change = now_ms(), {}
  local mine = readable_hold(K, id)
  if mine and mine.state ~= 'booked' and not mine.cancelled then
    local first = mine.state ~= 'rejected'
    end_hold(K, id, mine, 'rejected', at, keep, change)
    if first then notify(K, 'rejected', id, mine.owner) end
  elseif not mine then
    notify(K, 'rejected', id, owner)
  end
  for n = 4, #args, 2 do
    local winner = readable_hold(K, args[n + 1])
    -- The keeper may have read the ledger before that booking was cancelled, or moved to other seats.
    if not (winner and (winner.cancelled or winner.exchanges)) then
      override(K, args[n + 1], { tonumber(args[n]) }, at, keep, change)
    end
  end
  publish_change(K, show, change, 'rejected', id)
  return { 'ok' }
end

-- --- expiry ----------------------------------------------------------------------------------------------------------

-- tt_expire  keep, then hold ids  ->  ok, number expired, number left to the rebuild of the show
-- Frees the holds that are past their deadline by this clock; publishes one change for all of them.
local function expire(keys, args)
  local K, keep = key_names(keys), tonumber(args[1])
  local at, change, ended = now_ms(), {}, {}
  local show = load_show(K)
  -- A show that is not rebuilt yet keeps its deadlines, because the rebuild decides about its holds.
  if not show and load_terms(K) then return { 'ok', 0, #args - 1 } end
  for n = 2, #args do
    local due = show and readable_hold(K, args[n])
    if not due or due.state ~= 'held' then
      redis.call('ZREM', K.deadlines, args[n])
    elseif due.expires_at <= at then
      sweep(K, { [args[n]] = due }, at, keep, change)
      ended[#ended + 1] = args[n]
    end
  end
  if show then publish_change(K, show, change, 'expired', table.concat(ended, ' ')) end
  return { 'ok', #ended, 0 }
end

-- tt_forget  hold ids  ->  ok
-- Deletes the records of ended holds. The records of live holds and bookings stay, and those with an order or payment.
local function forget(keys, args)
  local K = key_names(keys)
  for _, id in ipairs(args) do
    local old = readable_hold(K, id)
    if old and ENDED[old.state] and not is_paid_for(old) then redis.call('HDEL', K.holds, id) end
    redis.call('ZREM', K.ended, id)
  end
  return { 'ok' }
end

redis.register_function('tt_settle', settle)
register_keeper_function('settle_paid', settle_paid)
register_keeper_function('settle_entries', settle_entries)
register_keeper_function('reject', reject)
register_keeper_function('expire', expire)
register_keeper_function('forget', forget)
