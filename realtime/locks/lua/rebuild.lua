-- Declares shows, and rebuilds them from the ledger.

-- --- declarations ----------------------------------------------------------------------------------------------------

local function announce_sales(K, epoch, sales)
  announce(K, epoch, ',"sales":"' .. sales .. '"', 'sales_' .. sales, '')
end

-- Publishes a sales window that has changed, with the sales state that holds within it.
local function announce_window(K, show, sales, from, till)
  if show.sales_start == tonumber(from) and show.sales_end == tonumber(till) then return end
  announce(K, show.epoch, ',"sales":"' .. sales .. '","sales_start":' .. from .. ',"sales_end":' .. till,
    'sales_window', '')
end

-- tt_declare  epoch, size, sales, hold_ms, max_seats, for_sale (1 | 0), sales_start, sales_end (ms)
--   ->  ok, 1 if created, 0 if it existed
-- Creates the state of a show; of one that exists, only its terms change. With 0 it is for sale once it is rebuilt.
-- Keepers of releases before version 9 send no window: the one that is known stays.
local function declare(keys, args)
  local K = key_names(keys)
  local show = load_terms(K)
  redis.call('HSET', K.meta, 'sales', args[3], 'hold_ms', args[4], 'max_seats', args[5])
  if args[7] then redis.call('HSET', K.meta, 'sales_start', args[7], 'sales_end', args[8]) end
  if show then
    if args[7] then announce_window(K, show, args[3], args[7], args[8]) end
    if show.sales ~= args[3] then announce_sales(K, show.epoch, args[3]) end
    return { 'ok', 0 }
  end
  redis.call('SET', K.seats, string.rep(FREE, tonumber(args[2])))
  redis.call('HSET', K.meta, 'epoch', args[1], 'version', 1, 'size', args[2])
  if args[6] == '1' then redis.call('HSET', K.meta, 'process', this_process()) end
  return { 'ok', 1 }
end

-- tt_suspend  nonce, diverged (1 | 0)  ->  ok
-- Stops the sales of a show until it is rebuilt by the keeper that knows the nonce: nothing changes while it reads the
-- ledger, and one that was overtaken by another keeper rebuilds nothing.
-- diverged: another master has sold since this data was current. It stays so until the rebuild.
local function suspend(keys, args)
  local K = key_names(keys)
  if not load_terms(K) then return { 'ok' } end
  redis.call('HDEL', K.meta, 'process')
  redis.call('HSET', K.meta, 'rebuilding', args[1])
  if args[2] == '1' then redis.call('HSET', K.meta, 'diverged', '1') end
  return { 'ok' }
end

-- tt_unready  KEYS: meta, seats of each show  ->  ok, the places (from 0) of those that are not for sale in this
-- process, whose seats are gone, or of which only a keeper of releases before version 9 has declared the terms
local function unready(keys)
  local found = {}
  for n = 1, #keys, 2 do
    local meta = redis.call('HMGET', keys[n], 'process', 'size', 'sales_end')
    if meta[1] ~= this_process() or not meta[3] or redis.call('STRLEN', keys[n + 1]) ~= tonumber(meta[2]) then
      found[#found + 1] = (n - 1) / 2
    end
  end
  return { 'ok', found }
end

-- --- rebuild ---------------------------------------------------------------------------------------------------------
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

-- Epochs sort by their names. One that is not later than the show's present one is replaced by the one after that, as
-- when the clock went back or the show was declared in the same millisecond.
local function later_epoch(present, proposed)
  if #present ~= #proposed or proposed > present then return proposed end
  local number = tonumber(present, 16)
  return number and string.format('%012x', number + 1) or proposed
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
-- From now on the show is for sale in this process. Publishes the new epoch alone: versions can't be compared over it,
-- so receivers read the snapshot again.
local function rebuild(keys, args)
  local K, epoch, keep, truth = key_names(keys), args[1], tonumber(args[2]), cjson.decode(args[3])
  truth.diverged = truth.diverged or truth.astray -- keepers of the release before name it `astray`
  truth.cancelled = truth.cancelled or {} -- and no cancelled bookings
  local show = load_terms(K)
  if not show then return { 'show_not_found' } end
  local suspended = redis.call('HMGET', K.meta, 'rebuilding', 'diverged')
  if args[4] and suspended[1] ~= args[4] then return { 'fenced' } end
  truth.diverged = truth.diverged or suspended[2] == '1'
  epoch = later_epoch(show.epoch, epoch)
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
  redis.call('HDEL', K.meta, 'rebuilding', 'diverged')
  redis.call('HSET', K.meta, 'epoch', epoch, 'rebuilt_at', ms_text(at), 'process', this_process())
  announce(K, epoch, '', 'rebuilt', '')
  return { 'ok', lost }
end

-- tt_archive  ->  ok | hold_confirmed
-- Removes a show from this master; the ledger keeps it. Refused while one of its holds is live.
local function archive(keys)
  local K = key_names(keys)
  if redis.call('EXISTS', K.owners) == 1 then return { 'hold_confirmed' } end
  redis.call('UNLINK', K.meta, K.seats, K.taken, K.holds, K.owners, K.log)
  return { 'ok' }
end

register_keeper_function('archive', archive, ONLY_FREES)
register_keeper_function('declare', declare)
register_keeper_function('suspend', suspend, ONLY_FREES)
register_keeper_function('rebuild', rebuild)
redis.register_function { function_name = 'tt_unready', callback = unready, flags = { 'no-writes' } }
