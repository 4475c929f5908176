-- Rebuilds a show in one call, as keepers of releases before version 16 do. A big show keeps the master busy for
-- seconds.

-- `plan` is what the rebuilt show will be: map (seat -> digit), taken (seat -> hold id), owners (owner -> live holds),
-- known (id -> record on this master), sold (bookings that stand), kept (live holds that stay), lost (those that
-- don't), voided (ended holds).

local function claim_in(plan, id, seats, digit)
  for _, seat in ipairs(seats) do
    plan.map[seat] = digit
    plan.taken[seat] = id
  end
end

-- Starts from the ledger, then adds bookings that only this master has: a keeper may have committed one a moment ago.
-- Returns the plan and the live holds, which are not decided yet.
local function plan_bookings(K, size, truth)
  local plan = { map = {}, taken = {}, owners = {}, known = {}, sold = {}, kept = {}, lost = {}, voided = {} }
  for seat = 0, size - 1 do plan.map[seat] = FREE end
  for _, seat in ipairs(truth.blocked) do plan.map[seat] = BLOCKED end
  local decided, live = {}, {}
  local records = redis.call('HGETALL', K.holds)
  for n = 1, #records, 2 do plan.known[records[n]] = decode_hold(records[n + 1]) end
  for _, sale in ipairs(truth.cancelled) do decided[sale[1]] = true end
  for _, sale in ipairs(truth.sold) do
    local known = plan.known[sale[1]]
    decided[sale[1]] = true
    -- The keeper may have read the ledger before this booking was cancelled.
    if not (known and known.cancelled) then
      plan.sold[#plan.sold + 1] = sale
      claim_in(plan, sale[1], sale[3], SOLD)
    end
  end
  for id, known in pairs(plan.known) do
    if not decided[id] then
      if known.state == 'booked' then
        claim_in(plan, id, known.seats, SOLD)
      elseif is_live(known) then
        live[#live + 1] = { id = id, hold = known }
      elseif truth.diverged and (known.state == 'expired' or known.state == 'lost') then
        plan.voided[#plan.voided + 1] = id
      end
    end
  end
  return plan, live
end

-- Keeps live holds that collide with nothing. Confirming ones come first: a payment outranks a hold that still waits
-- for one. A confirming hold that collides stays too, without seats on the map: its outbox entry decides.
local function plan_holds(plan, live, diverged)
  table.sort(live, function(a, b) return a.hold.state < b.hold.state end)
  for _, each in ipairs(live) do
    local hold, clear = each.hold, not diverged
    for _, seat in ipairs(hold.seats) do
      if plan.map[seat] ~= FREE then clear = false end
    end
    if clear then claim_in(plan, each.id, hold.seats, HELD) end
    if clear or (hold.state == 'confirming' and not diverged) then
      plan.owners[hold.owner] = (plan.owners[hold.owner] or 0) + 1
      if hold.from and hold.state == 'held' then
        local address = '@' .. hold.from
        plan.owners[address] = (plan.owners[address] or 0) + #hold.seats
      end
      plan.kept[#plan.kept + 1] = each
    else
      plan.lost[#plan.lost + 1] = each
    end
  end
end

-- Writes the seats, and who has them.
local function write_map(K, size, plan)
  local digits, taken, owners = {}, {}, {}
  for seat = 0, size - 1 do
    digits[seat + 1] = plan.map[seat]
    if plan.taken[seat] then
      taken[#taken + 1] = seat
      taken[#taken + 1] = plan.taken[seat]
    end
  end
  for owner, count in pairs(plan.owners) do
    owners[#owners + 1] = owner
    owners[#owners + 1] = count
  end
  redis.call('SET', K.seats, table.concat(digits))
  redis.call('DEL', K.taken, K.owners)
  set_fields(K.taken, taken)
  set_fields(K.owners, owners)
end

-- Writes the records of the ledger's bookings that this master lacks, and notifies owners whose hold was unbooked here.
local function write_bookings(K, sold, known, at)
  local records = {}
  for _, sale in ipairs(sold) do
    local id, owner, seats = sale[1], sale[2], sale[3]
    local mine = known[id]
    if not mine or mine.state ~= 'booked' then
      records[#records + 1] = id
      records[#records + 1] = encode_hold({
        owner = owner, seats = seats, state = 'booked', expires_at = at, extensions = 0, payment = sale[4],
      })
      if mine then
        redis.call('ZREM', K.deadlines, id)
        redis.call('ZREM', K.ended, id)
        notify(K, 'booked', id, owner, seats)
      end
    end
  end
  set_fields(K.holds, records)
end

-- Writes the records of cancelled bookings that this master lacks or still has as sold, and notifies their owners.
local function write_cancelled(K, cancelled, known, at)
  local records = {}
  for _, sale in ipairs(cancelled) do
    local id, owner, seats, mine = sale[1], sale[2], sale[3], known[sale[1]]
    if not (mine and mine.cancelled) then
      records[#records + 1] = id
      records[#records + 1] = encode_hold(cancelled_hold(owner, seats, sale[4], at))
      if mine then
        redis.call('ZREM', K.deadlines, id)
        redis.call('ZREM', K.ended, id)
        notify(K, 'cancelled', id, owner, seats)
      end
    end
  end
  set_fields(K.holds, records)
end

-- Restores the records of holds for which money was asked or came, and that this master lacks: a payment that comes
-- later takes the seats of the order if they are free, and the hold id is not used again.
local function write_paid(K, paid, known, at)
  local records = {}
  for _, each in ipairs(paid) do
    local id, owner, seats, order, payment = each[1], each[2], each[3], each[4], each[5]
    if not known[id] then
      records[#records + 1] = id
      records[#records + 1] = encode_hold({
        owner = owner, seats = seats, state = payment and 'rejected' or 'lost', expires_at = at, extensions = 0,
        order = order or nil, payment = payment or nil,
      })
    end
  end
  set_fields(K.holds, records)
end

-- tt_rebuild  epoch, keep, JSON {sold: [[hold id, owner, [seat], payment]], blocked: [seat],
--             paid: [[hold id, owner, [seat], order | false, payment | false]],
--             cancelled: [as sold], diverged}, nonce
--   ->  ok, lost (hold id, owner, ...) | fenced
-- Makes a show what the ledger proves, after the master may have lost data or regained old data. Bookings of the ledger
-- are sold; live holds that don't collide with them stay; the others are lost.
-- `diverged`: another master has sold since this data was current. What it says of holds may contradict what clients
-- were answered there, so no hold stays, paid or not, and none of them can be booked later (void).
-- With a nonce, only if tt_suspend was called with it and nobody has suspended or rebuilt the show since.
local function rebuild(keys, args)
  local K, epoch, keep, truth = key_names(keys), args[1], tonumber(args[2]), cjson.decode(args[3])
  truth.diverged = truth.diverged or truth.astray -- keepers of the previous release name it `astray`
  truth.cancelled = truth.cancelled or {} -- and no cancelled bookings
  local show = load_terms(K)
  if not show then return { 'show_not_found' } end
  local suspended = redis.call('HMGET', K.meta, 'rebuilding', 'diverged')
  if args[4] and suspended[1] ~= args[4] then return { 'fenced' } end
  truth.diverged = truth.diverged or suspended[2] == '1'
  local at = now_ms()
  local plan, live = plan_bookings(K, show.size, truth)
  plan_holds(plan, live, truth.diverged)

  write_map(K, show.size, plan)
  write_bookings(K, plan.sold, plan.known, at)
  write_cancelled(K, truth.cancelled, plan.known, at)
  write_paid(K, truth.paid or {}, plan.known, at)
  for _, each in ipairs(plan.kept) do
    if each.hold.state == 'held' then redis.call('ZADD', K.deadlines, each.hold.expires_at, each.id) end
  end
  local function save_lost(id, hold)
    hold.state, hold.void = 'lost', truth.diverged or nil
    save_hold(K, id, hold)
  end
  for _, id in ipairs(plan.voided) do save_lost(id, plan.known[id]) end
  local lost = {}
  for _, each in ipairs(plan.lost) do
    save_lost(each.id, each.hold)
    redis.call('ZREM', K.deadlines, each.id)
    redis.call('ZADD', K.ended, at + keep, each.id)
    notify(K, 'lost', each.id, each.hold.owner)
    lost[#lost + 1] = each.id
    lost[#lost + 1] = each.hold.owner
  end
  put_on_sale(K, show, epoch, at)
  return { 'ok', lost }
end

register_keeper_function('rebuild', rebuild)
