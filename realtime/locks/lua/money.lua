-- What follows from money: an order for a hold, a payment that books it, a payment that has to be returned.

-- --- outbox entries -------------------------------------------------------------------------------------------------

-- Appends an entry; `fields` is a flat list of names and values. Empty values are left out.
local function append(K, kind, fields)
  local entry = { 'kind', kind }
  for n = 1, #fields, 2 do
    if fields[n + 1] ~= '' then
      entry[#entry + 1] = fields[n]
      entry[#entry + 1] = fields[n + 1]
    end
  end
  redis.call('XADD', K.outbox, '*', unpack(entry))
end

-- A payment as tt_confirm gets it. `reply` is the id of a reply for which a node waits (realtime/locks/replies.py);
-- `request` is the client's name for its request. Empty texts: there is none.
local function payment_of(args)
  return {
    id = args[3], amount = args[7] or '', order = args[8] or '', request = args[9] or '', contact = args[11] or '',
    reply = args[12] or '', reply_if_booked = args[13] == '1',
  }
end

-- Sends a payment that can't become a booking to the keepers. A repeated entry is harmless: a payment has one refund.
local function append_refund(K, id, owner, payment, at, reason)
  append(K, 'refund', {
    'hold', id, 'owner', owner, 'payment', payment.id, 'amount', payment.amount, 'order', payment.order,
    'request', payment.request, 'at', ms_text(at), 'reason', reason, 'contact', payment.contact,
    'reply', payment.reply,
  })
end

local function append_booking(K, id, hold, payment, at)
  append(K, 'booking', {
    'hold', id, 'owner', hold.owner, 'seats', table.concat(hold.seats, ','), 'payment', payment.id,
    'amount', payment.amount, 'order', payment.order, 'request', payment.request, 'at', ms_text(at),
    'contact', payment.contact, 'reply', payment.reply_if_booked and payment.reply or '',
  })
end

-- --- orders ---------------------------------------------------------------------------------------------------------

-- Returns the entry of an order in the record of a hold, which is added if the order is new; nil if the hold has
-- MAX_ORDERS already. Orders are limited because the gateway is asked about each of them for days.
local function known_order(mine, id, seats)
  mine.orders = mine.orders or {} -- a record of a release before version 27 has only the last order
  for _, each in ipairs(mine.orders) do
    if each.id == id then return each end
  end
  if #mine.orders >= MAX_ORDERS then return nil end
  local new = { id = id, seats = seats, request = '' }
  mine.orders[#mine.orders + 1] = new
  return new
end

-- tt_order  id, owner, order, seats (csv), amount, outbox_limit, contact (JSON or empty), reply,
--           request  ->  ok, record, now
-- Records that the gateway has an order for some seats of a live hold, and sends the order to the ledger. From then on,
-- keepers ask the gateway about its payment until the outcome is known. The keeper answers `reply` when the ledger has
-- the order. The contact is in the entry only. With a reply or a contact, a repeated call appends the entry again: the
-- first one may have been lost, or had another contact. Only the order's first request id is in the entry; otherwise a
-- client could fill the ledger by repeating one order under ever new request ids.
local function order(keys, args)
  local K, id = key_names(keys), args[1]
  local _, mine, refusal = own_hold(K, id, args[2])
  if refusal then return refusal end
  local at = now_ms()
  refusal = not_changeable(mine, at)
  if refusal then return refusal end
  local _, _, not_held = partition(mine.seats, split_csv(args[4]))
  if #not_held > 0 then return { 'seat_not_found', table.concat(not_held, ',') } end
  local contact, reply = args[7] or '', args[8] or ''
  if mine.order == args[3] and contact == '' and reply == '' then return { 'ok', encode_hold(mine), at } end
  local known = known_order(mine, args[3], args[4])
  if not known then return { 'too_many_holds' } end
  if redis.call('XLEN', K.outbox) >= tonumber(args[6]) then return { 'overloaded' } end
  local request = args[9] or ''
  if known.request == '' then known.request = request end
  mine.order = args[3]
  save_hold(K, id, mine)
  append(K, 'order', {
    'hold', id, 'owner', mine.owner, 'order', args[3], 'seats', args[4], 'amount', args[5], 'at', ms_text(at),
    'contact', contact, 'reply', reply, 'request', known.request == request and request or '',
  })
  return { 'ok', encode_hold(mine), at }
end

-- tt_prolong  id, step_ms, limit_ms, back_ms  ->  ok, record, now, by how much the deadline has moved (ms)
-- While the gateway has not said whether the hold is paid for: keeps it for `step_ms` from now, at most `limit_ms` past
-- the deadline that its owner knows. With `back_ms`, when the gateway has said that it is not paid for: moves the
-- deadline back by so much, at most to the one that the owner knows. Changes no seat, publishes nothing. Calls of
-- earlier releases have no back_ms.
local function prolong(keys, args)
  local K, id, step, limit = key_names(keys), args[1], tonumber(args[2]), tonumber(args[3])
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local mine, at = load_hold(K, id), now_ms()
  if not mine then return unknown_hold(K) end
  local refusal = not_changeable(mine, at)
  if refusal then return refusal end
  local prolonged = mine.prolonged_ms or 0
  local back = tonumber(args[4] or '0')
  local more = back > 0 and -math.min(back, prolonged)
    or math.min(math.max(at + step - mine.expires_at, 0), limit - prolonged)
  if more ~= 0 then
    mine.prolonged_ms = prolonged + more
    mine.expires_at = mine.expires_at + more
    save_hold(K, id, mine)
    redis.call('ZADD', K.deadlines, mine.expires_at, id)
  end
  return { 'ok', encode_hold(mine), at, more }
end

-- --- confirm --------------------------------------------------------------------------------------------------------

-- Writes the record of a lost hold. Once a client has been answered `hold_lost`, every later request for that hold gets
-- the same answer, even one that was sent earlier and arrives late.
local function tombstone(K, id, owner, payment, at)
  redis.call('HSET', K.holds, id, encode_hold({
    owner = owner, seats = {}, state = 'lost', expires_at = at, extensions = 0, void = true, payment = payment.id,
    order = payment.order ~= '' and payment.order or nil,
  }))
end

-- Takes free seats for a hold that has none any more, because it lapsed or was lost. The caller makes it confirming.
local function retake(K, id, mine, seats, change)
  mine.asked = mine.asked or mine.seats
  mine.seats = seats
  set_status(K, seats, HELD, change)
  claim(K, id, seats)
  count_hold(K, mine.owner)
  redis.call('ZREM', K.ended, id)
end

-- Returns the first of some blocks of seats (csv|csv|...) that nobody has, and the lapsed holds to sweep for it.
local function free_block(K, id, blocks, at)
  for csv in string.gmatch(blocks, '[^|]+') do
    local seats = split_csv(csv)
    local taken, lapsed = conflicts(K, id, seats, at)
    if #taken == 0 then return seats, lapsed end
  end
  return nil, nil
end

-- Finds seats for the payment of a hold that is past its deadline or was lost: its own if they are free, otherwise an
-- equal block if the caller offers some; if there is none, the payment is returned. With blocks '?' it answers
-- seats_taken and changes nothing, so that the caller can offer blocks. (docs/payments.md, "The ladder")
-- Returns nil if the hold has its seats and can be booked, otherwise the answer.
local function seat_late_payment(K, show, id, mine, payment, blocks, at, keep, change)
  local taken, lapsed = conflicts(K, id, mine.seats, at)
  local seats, open = mine.seats, sales_state(show, at) == 'open'
  if not open or #seats == 0 then -- of a hold that was lost, the ledger may know no seats
    mine.rejected_for = open and 'lost' or 'not_on_sale'
    seats = nil
  elseif #taken > 0 then
    if blocks == '?' then return { 'seats_taken', table.concat(taken, ',') } end
    seats, lapsed = free_block(K, id, blocks, at)
  end
  if not seats then
    mine.payment = payment.id
    end_hold(K, id, mine, 'rejected', at, keep, change)
    append_refund(K, id, mine.owner, payment, at, 'late')
    publish_change(K, show, change, 'rejected', id)
    return mine.rejected_for and ended(mine) or { 'booking_rejected', table.concat(taken, ',') }
  end
  if mine.state == 'held' and seats ~= mine.seats then
    free_seats(K, id, mine.seats, change)
    uncount_hold(K, mine.owner)
  end
  sweep_away(K, lapsed, at, keep, change)
  if mine.state ~= 'held' or seats ~= mine.seats then retake(K, id, mine, seats, change) end
  return nil
end

-- Counts a confirm that has a request id or a contact, because each of them adds a row or an entry for the ledger.
-- Returns whether it was counted. After MAX_CONFIRMS, confirms are still decided and answered in the same way, but the
-- request ids and contacts in them are not recorded.
local function count_confirm(mine, payment)
  if payment.request == '' and payment.contact == '' then return false end
  mine.confirms = mine.confirms or 0
  if mine.confirms >= MAX_CONFIRMS then
    payment.request, payment.contact = '', ''
    return false
  end
  mine.confirms = mine.confirms + 1
  return true
end

-- Returns the answer for a hold about which nothing has to be decided; nil if something has. A second payment for a
-- hold is returned. `room`: the outbox has room for entries.
local function decided(K, id, mine, payment, at, room)
  if mine.state == 'confirming' or mine.state == 'booked' then
    if mine.payment == payment.id then
      -- The entry is repeated for two cases: the gateway's webhook has booked the hold without the contact, which the
      -- page sends now; or the webhook comes while the page's entry is on its way, and waits for a reply.
      if room and (payment.contact ~= '' or payment.reply_if_booked) then append_booking(K, id, mine, payment, at) end
      return { 'ok', encode_hold(mine), at, '' }
    end
    append_refund(K, id, mine.owner, payment, at, 'doubled')
    -- The record of a booking of an older release has no payment: only the ledger knows whether this is its payment.
    return { 'ok', encode_hold(mine), at, mine.payment and 'doubled' or '' }
  end
  -- A refund is sent again if the caller waits for a reply: only an entry is replied to, and the first may have been
  -- lost. Keepers too repeat payments that the ledger does not have, because it may have been set back.
  local to_return = mine.payment ~= payment.id or payment.reply ~= '' or payment.reply_if_booked
  if mine.state == 'rejected' then
    if to_return then append_refund(K, id, mine.owner, payment, at, 'late') end
    return ended(mine)
  end
  if mine.cancelled then
    if to_return then append_refund(K, id, mine.owner, payment, at, 'doubled') end
    return { 'booking_cancelled' }
  end
  if mine.state == 'released' or mine.void then
    mine.payment = payment.id
    save_hold(K, id, mine)
    append_refund(K, id, mine.owner, payment, at, mine.state)
    return { ENDED[mine.state] }
  end
  return nil
end

-- Carries out steps 3 to 5 of tt_confirm, with its arguments; returns the answer.
local function book(K, show, id, mine, payment, args, at)
  local keep, change = tonumber(args[5]), {}
  -- Seats that are being booked, or are refused, no longer count as held from the hold's address.
  local from, counted = mine.state == 'held' and mine.from, #mine.seats
  if args[6] ~= '' then
    local wanted, others, not_held = partition(mine.seats, split_csv(args[6]))
    if #not_held > 0 then
      save_hold(K, id, mine)
      append_refund(K, id, mine.owner, payment, at, 'not_bookable')
      return { 'seat_not_found', table.concat(not_held, ',') }
    end
    if #others > 0 then
      -- Of a hold that has lost a seat to somebody else, nothing is freed here: it was ended, with all its seats. So an
      -- answer seats_taken, below, still changes nothing.
      free_seats(K, id, others, change)
      shrink(mine, wanted)
    end
  end
  mine.from, mine.since = nil, nil
  if mine.state ~= 'held' or mine.expires_at <= at then
    local refusal = seat_late_payment(K, show, id, mine, payment, args[10] or '', at, keep, change)
    if refusal and refusal[1] == 'seats_taken' then return refusal end
    if from then count_seats(K, from, -counted) end
    if refusal then return refusal end
  elseif from then
    count_seats(K, from, -counted)
  end
  mine.state = 'confirming'
  mine.payment = payment.id
  mine.orders = nil
  save_hold(K, id, mine)
  redis.call('ZREM', K.deadlines, id)
  append_booking(K, id, mine, payment, at)
  if next(change) then publish_change(K, show, change, 'confirmed', id) else log_event(K, 'confirmed', id, '') end
  return { 'ok', encode_hold(mine), at, '' }
end

-- tt_confirm  id, owner, payment, outbox_limit, keep, seats (csv; empty: all), amount, order, request, blocks,
--   contact, reply, reply_if_booked ('1')
--   ->  ok, record, now, refund ('doubled': this payment will be returned, the hold has another)
-- A payment that the gateway confirms becomes a booking of the hold or a refund, whichever client presents it.
--   1. If the hold is decided (confirming, booked, rejected, cancelled) or can't be booked (released, void), it is
--      answered as such, and a payment other than its own is returned.
--   2. If the hold is unknown here, the payment is returned, and a tombstone keeps the hold from being made later.
--   3. With seats, exactly these are booked and the others are released: this master may have lost an earlier release.
--   4. If the hold is past its deadline or was lost in a failure: see seat_late_payment.
--   5. In one step, the hold becomes confirming and one entry is appended to the outbox. It can't expire any more.
-- The keeper answers `reply` when the ledger has the refund; with reply_if_booked also when it has the booking.
-- amount to reply_if_booked may be missing: calls of earlier releases do not have them.
local function confirm(keys, args)
  local K, id, owner, payment = key_names(keys), args[1], args[2], payment_of(args)
  local show = load_show(K)
  if not show then return { 'show_not_found' } end
  local mine, at = load_hold(K, id), now_ms()
  local room = redis.call('XLEN', K.outbox) < tonumber(args[4])
  if not room then
    local settled = mine and mine.payment == payment.id and (mine.state == 'confirming' or mine.state == 'booked')
    if not settled then return { 'overloaded' } end
  end
  if not mine then
    local answer = unknown_hold(K)
    append_refund(K, id, owner, payment, at, 'lost')
    tombstone(K, id, owner, payment, at)
    return answer
  end
  local counts = count_confirm(mine, payment)
  local answer = decided(K, id, mine, payment, at, room)
  if not answer then
    answer = book(K, show, id, mine, payment, args, at)
  elseif counts then
    save_hold(K, id, mine)
  end
  -- The payment counts for the hold even so; only the hold's record is not shown to this client.
  if mine.owner ~= owner then return { 'not_your_hold' } end
  return answer
end

redis.register_function('tt_order', order)
redis.register_function { function_name = 'tt_prolong', callback = prolong, flags = WHILE_FULL }
redis.register_function { function_name = 'tt_confirm', callback = confirm, flags = WHILE_FULL }
