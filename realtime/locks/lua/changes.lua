-- The steps of which functions consist. They give seats a status and a holder, keep counts, end holds, and publish what
-- changed. None of them decides anything, except `conflicts`.

-- Returns the status digits of seats, in their order. Seats near each other, the usual case, cost one command; 512
-- bytes at most, which cost less than a second command.
local function read_digits(K, seats)
  local first, last, out = seats[1], seats[1], {}
  if not first then return out end
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

-- Writes one status digit to seats, a command per run of neighbours, and records it in `change`: the seats that the
-- running function has changed, seat -> digit, for publish_change.
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

-- Records that a hold has these seats, also if another had them.
local function claim(K, id, seats)
  local flat = {}
  for _, seat in ipairs(seats) do
    flat[#flat + 1] = seat
    flat[#flat + 1] = id
  end
  set_fields(K.taken, flat)
end

-- Returns the hold that has each of some seats, in their order; false for a seat that none has.
local function holders_of(K, seats)
  local holders = {}
  for from = 1, #seats, ARGS_PER_COMMAND do
    local some = redis.call('HMGET', K.taken, unpack(seats, from, math.min(from + ARGS_PER_COMMAND - 1, #seats)))
    for n, holder in ipairs(some) do holders[from + n - 1] = holder end
  end
  return holders
end

-- Returns those of some seats that a hold still has: a booking of the ledger may have taken others.
local function own_seats(K, id, seats)
  local own = {}
  for n, holder in ipairs(holders_of(K, seats)) do
    if holder == id then own[#own + 1] = seats[n] end
  end
  return own
end

-- Frees those of some seats that a hold still has.
local function free_seats(K, id, seats, change)
  local own = own_seats(K, id, seats)
  if #own == 0 then return end
  set_status(K, own, FREE, change)
  redis.call('HDEL', K.taken, unpack(own))
end

-- Adds an event to the show's log: `id` is a hold, several with spaces, or ''; `message` is the change as published,
-- '' if there was none.
local function log_event(K, kind, id, message)
  -- A client of an older release passes no log key. An error here would come after seats were changed.
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

-- Notifies the owner of a hold of its outcome. With `seats` (bookings only), nodes need not read the master.
local function notify(K, kind, id, owner, seats)
  redis.call('PUBLISH', K.notices, cjson.encode({ kind = kind, hold = id, owner = owner, seats = seats }))
end

-- An owner has one live hold more, or less.
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

-- So many seats of a hold are no longer held from its address. Call it before the hold's state changes.
local function uncount_seats(K, hold, count)
  if hold.from and hold.state == 'held' and count > 0 then count_seats(K, hold.from, -count) end
end

-- tt:{show}:rest:<address>, a key that is not among KEYS: a caller that ends a hold does not know the hold's address.
-- The name of `meta` without its last 4 characters, and more.
local function rest_key(K, from)
  return string.sub(K.meta, 1, -5) .. 'rest:' .. from
end

-- Records the spells of an address with seats that it has just released or let lapse, at `ended` (ms); see
-- addresses.lua.
local function record_rest(K, hold, seats, ended)
  if not hold.from or #seats == 0 then return end
  local key = rest_key(K, hold.from)
  -- With this many, the address can't hold any seat until the key expires, so no more are recorded.
  if redis.call('HLEN', key) >= REST_SEATS then return end
  local fields, spell = {}, ms_text(hold.since) .. ' ' .. ms_text(ended)
  for _, seat in ipairs(seats) do
    fields[#fields + 1] = seat
    fields[#fields + 1] = spell
  end
  set_fields(key, fields)
  redis.call('PEXPIRE', key, REST_KEPT_MS)
end

-- Ends a hold in `state`: frees its seats, and keeps its record for `keep` ms, to answer late requests. Publishes
-- nothing: the caller does, with the rest of `change`.
local function end_hold(K, id, hold, state, at, keep, change)
  free_seats(K, id, hold.seats, change)
  if is_live(hold) then uncount_hold(K, hold.owner) end
  uncount_seats(K, hold, #hold.seats)
  if state == 'expired' or state == 'released' then
    record_rest(K, hold, hold.seats, math.min(at, hold.expires_at))
  end
  hold.from, hold.since, hold.orders = nil, nil, nil
  hold.state = state
  save_hold(K, id, hold)
  redis.call('ZREM', K.deadlines, id)
  redis.call('ZADD', K.ended, at + keep, id)
end

-- Sends the outcome of a request to the ledger, where its owner can ask for it later; not while the outbox is full.
local function append_outcome(K, request, command, id, hold, at)
  if redis.call('XLEN', K.outbox) >= OUTBOX_LIMIT then return end
  redis.call('XADD', K.outbox, '*', 'kind', 'outcome', 'owner', hold.owner, 'request', request, 'command', command,
    'subject', id, 'state', hold.state, 'at', ms_text(at))
end

-- Returns the seats that hold `id` can't have, and the lapsed holds (id -> hold) that have to be swept for the others.
-- A held seat whose holder is not recorded, or has no readable record, can't be had: a keeper finds and rebuilds that.
local function conflicts(K, id, seats, at)
  local taken, lapsed, holds = {}, {}, {}
  local status = read_digits(K, seats)
  for n, seat in ipairs(seats) do
    if status[n] == HELD then
      local holder = redis.call('HGET', K.taken, seat)
      if holder ~= id then
        local other = holds[holder] or readable_hold(K, holder)
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

-- Ends lapsed holds (id -> hold) as expired, and notifies their owners; returns their ids.
local function sweep(K, lapsed, at, keep, change)
  local ids = {}
  for id, hold in pairs(lapsed) do
    end_hold(K, id, hold, 'expired', at, keep, change)
    notify(K, 'expired', id, hold.owner)
    ids[#ids + 1] = id
  end
  return ids
end

-- The same for lapsed holds that are in the way of another hold; their seats are published with its change.
local function sweep_away(K, lapsed, at, keep, change)
  local ids = sweep(K, lapsed, at, keep, change)
  if #ids > 0 then log_event(K, 'expired', table.concat(ids, ' '), '') end
end
