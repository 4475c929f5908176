-- How much of a show one network address may hold, whichever nodes, identities and connections it uses.
--
-- A node says with each hold from which address it comes (`from`, a keyed hash; empty: an address that is exempt, or a
-- node of an earlier release) and what the limits are. The counts are here, on the owning master.
--
--   seats  An address may hold at most `address_seats` seats of a show at a time, and at most a fifth of a small show
--          (but two full holds in any case). Seats that are being booked do not count.
--   rest   A spell is the time for which an address has had a seat, counted from its first hold. The spell continues if
--          the address takes the seat again within `rest_ms` after it has released it or let it lapse. After a spell of
--          a full hold time, the address can't hold the seat for `rest_ms`. So nobody keeps a seat by holding it again
--          and again, and somebody who has released a seat by mistake gets it back at once.
--
-- Seats of a spell that has ended are in the hash `rest_key`: seat -> since, ended (ms). It expires after REST_KEPT_MS.

-- After this a client may try again. When seats of its address become free is not known.
local ADDRESS_RETRY_MS = 10000

-- Returns how many seats of this show an address may hold, given `address_seats` as the node has sent it.
local function seats_of_address(show, bounds)
  return math.min(bounds.address_seats, math.max(2 * show.max_seats, math.floor(show.size / 5)))
end

-- Returns the spells of an address that ended less than `rest_ms` ago, by seat: {since, ended}. `lapsed` are holds that
-- nobody has swept yet.
local function ended_spells(K, from, seats, lapsed, at, rest_ms)
  local spells = {}
  local found = redis.call('HMGET', rest_key(K, from), unpack(seats))
  for n, seat in ipairs(seats) do
    local since, ended = string.match(found[n] or '', '(%d+) (%d+)')
    if since then spells[seat] = { since = tonumber(since), ended = tonumber(ended) } end
  end
  for _, gone in pairs(lapsed) do
    if gone.from == from then
      for _, seat in ipairs(gone.seats) do spells[seat] = { since = gone.since, ended = gone.expires_at } end
    end
  end
  for seat, spell in pairs(spells) do
    -- A spell that ends later than now was recorded while the clock was ahead.
    if spell.ended + rest_ms <= at or spell.ended > at then spells[seat] = nil end
  end
  return spells
end

-- Returns when the spell of a hold on these seats began: now, or earlier if it goes on with one of them. Returns nil
-- and an answer if some of them must rest, or the address has released or let lapse REST_SEATS seats.
local function begin_spell(K, show, from, seats, lapsed, at, rest_ms)
  if redis.call('HLEN', rest_key(K, from)) >= REST_SEATS then
    return nil, { 'address_limit', '', ms_text(ADDRESS_RETRY_MS) }
  end
  local spells, since, resting, wait = ended_spells(K, from, seats, lapsed, at, rest_ms), at, {}, 0
  for _, seat in ipairs(seats) do
    local spell = spells[seat]
    if spell and spell.ended - spell.since >= show.hold_ms then
      resting[#resting + 1] = seat
      wait = math.max(wait, spell.ended + rest_ms - at)
    elseif spell then
      since = math.min(since, spell.since)
    end
  end
  if #resting > 0 then return nil, { 'seats_resting', table.concat(resting, ','), ms_text(wait) } end
  return since
end

-- Returns when the spell of a new hold began (see begin_spell); nil and an answer if its address may not hold these
-- seats now.
local function address_allows(K, show, from, seats, lapsed, at, bounds)
  if from == '' then return at end
  local held = tonumber(redis.call('HGET', K.owners, '@' .. from) or 0)
  for _, gone in pairs(lapsed) do
    if gone.from == from then held = held - #gone.seats end
  end
  if held + #seats > bounds.address_seats then return nil, { 'address_limit', '', ms_text(ADDRESS_RETRY_MS) } end
  return begin_spell(K, show, from, seats, lapsed, at, bounds.rest_ms)
end
