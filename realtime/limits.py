"""Every bound of the system in one place, related to each other by assertion.

Pure constants: this module imports nothing and never reads the environment. Units stand in the names:
``_MS`` milliseconds, ``_S`` seconds, ``_BYTES`` bytes.
"""

# --- what a person may do -----------------------------------------------------------------------------------------
MAX_SEATS_PER_HOLD = 10
"""Seats in one hold; a show may set a lower limit of its own."""
MAX_HOLDS_PER_OWNER = 10
"""Live holds of one owner on one show; bounds what a single identity can lock."""
MAX_EXTENSIONS = 1
"""How often one hold may be extended."""
MAX_WATCHES_PER_CONNECTION = 8
"""Shows that one connection may watch at a time."""

# --- time ---------------------------------------------------------------------------------------------------------
DEFAULT_HOLD_S = 480
MIN_HOLD_S = 1
MAX_HOLD_S = 1800
PAYMENT_TIMEOUT_S = 300
"""How long a buyer may take at the payment service; a hold of default length outlives it."""
PAYMENT_SLACK_S = 60
ENDED_KEEP_MS = 600_000
"""A hold that ended keeps its record this long: lost acks are answered again, late payments find their seats."""
CONFIRM_WAIT_S = 3.0
"""How long a node waits for the ledger before it answers ``pending``."""
RELAY_TIMEOUT_S = 0.9
"""A region that does not answer within this is ``region_unavailable``; the promise to clients is 1 s."""
START_S = 2.0
"""How long a node that starts waits for regions that it can't read before it serves the others."""
FIRST_REQUEST_S = 30.0
"""How long a connection may be open before anything is asked on it."""
COMMAND_TIMEOUT_S = 15.0
"""How long an operator's command may take to come back from the keeper."""
EXPIRY_POLL_MS = 100
"""How often a keeper looks for holds past their deadline."""
EXPIRY_VISIBLE_MS = 500
"""A seat whose hold lapsed shows as free on every map within this."""
HEARTBEAT_MS = 1_000
"""A keeper publishes a heartbeat through its master this often."""
STATUS_REPORT_MS = 2_000
"""Nodes and keepers write down what they do this often, for operators."""
STATUS_REPORT_GONE_MS = 60_000
"""One that has not for this long is forgotten."""
SILENCE_MS = 3_000
"""A feed without a heartbeat for this long asks whether the region is still there."""
FEED_LINGER_S = 30.0
"""A room keeps its feed this long after the last viewer left."""
TOKEN_MAX_AGE_S = 30 * 24 * 3600
PIN_REST_S = 30.0
"""One wrong kiosk PIN of a caller is forgiven after this long."""
KEY_REST_S = 3.0
"""One wrong operators' key of a caller is forgiven after this long."""

# --- sizes --------------------------------------------------------------------------------------------------------
MAX_LAYOUT_SEATS = 200_000
MAX_PLAN_BYTES = 64 * 1024 * 1024
"""A seating plan of 60,000 seats in pretix's format is about 12 MB."""
MAX_PLAN_COORDINATE = 1_000_000
MAX_PLAN_CATEGORIES = 200
MAX_PLAN_ZONES = 5_000
MAX_PLAN_ROWS = 50_000
MAX_PLAN_SHAPES = 5_000
MAX_POLYGON_POINTS = 2_000
MAX_PLAN_POINTS = 50_000
"""Points of all shapes of a plan together: what every viewer's page has to draw."""
MAX_SEAT_LABEL_LENGTH = 64
"""Row and seat numbers."""
MAX_EVENT_BYTES = 64 * 1024
"""One Socket.IO message or HTTP body from a client; larger ones are cut off."""
MAX_ID_LENGTH = 64
"""Theatre, show, category and seat ids; request ids too."""
MAX_TEXT_LENGTH = 200
"""Titles and names."""
MAX_PAYMENT_LENGTH = 1024
MAX_PRICE_RUPEES = 10_000_000
MIN_PIN_DIGITS = 6
MAX_PIN_DIGITS = 12
"""Of the PIN that an attendant leaves a kiosk with."""

# --- queues, buffers and histories --------------------------------------------------------------------------------
ROOM_HISTORY_CHANGES = 4_096
"""Changes that a room remembers, for viewers who come back with ``since``."""
ROOM_HISTORY_SEATS = 65_536
"""... and the sum of seats in them."""
VIEWER_UNSENT_BYTES = 256 * 1024
"""Past this many unsent bytes a viewer is behind: skipped until it has drained, then caught up."""
VIEWER_KERNEL_BYTES = 128 * 1024
"""What the kernel may keep unsent for a viewer beside that: the send buffer of its connection."""
VIEWER_STUCK_S = 30.0
"""A viewer behind for this long is closed."""
RELAY_QUEUE_CALLS = 10_000
"""Calls waiting for one master on one node; more are refused as ``overloaded``."""
OUTBOX_LIMIT = 100_000
"""Entries in a region's outbox; past it confirms are refused as ``overloaded`` before anything is written."""
KEEPER_BATCH = 256
"""Outbox entries in one ledger transaction, and holds in one expiry call."""
LAYOUT_CACHE = 64
"""Layouts that a node keeps decoded."""
EVENT_BURST = 100
EVENTS_PER_S = 50.0
"""Token bucket of one connection; beyond it ``rate_limited``."""
EVENTS_OVER_LIMIT = 400
"""A connection with this many more events refused than granted is cut off."""
ADDRESS_BURST = 2_000
ADDRESS_PER_S = 1_000.0
"""Token bucket of one network address for what needs no identity: a mobile carrier puts thousands behind one."""
LEAVE_S = 8.0
"""A node that is stopped answers what is under way, for so long at most."""
LEAVE_PER_S = 2_000
"""Connections that a node which is stopped closes in a second: the others are to take them up in peace."""
PIN_TRIES = 5
"""Wrong kiosk PINs that a caller may give in a row."""
KEY_TRIES = 20
"""Wrong operators' keys that a caller may give in a row: a room full of operators has one address."""
ATTEMPT_CALLERS = 10_000
"""Callers whose wrong limiter a node remembers; the longest unseen is forgotten."""

# --- fan-out ------------------------------------------------------------------------------------------------------
TICK_MIN_MS = 50
TICK_MAX_MS = 200
"""Under a storm a room sends at most one frame per tick; the tick grows with the time that a frame takes to send."""
TICK_PER_SENDING = 1.2
"""A tick is this many times as long as sending a frame took: the rest is for joins, holds and other rooms."""

assert DEFAULT_HOLD_S >= PAYMENT_TIMEOUT_S + PAYMENT_SLACK_S, "a hold must outlive the payment"
assert MIN_HOLD_S <= DEFAULT_HOLD_S <= MAX_HOLD_S
assert EXPIRY_POLL_MS + TICK_MAX_MS < EXPIRY_VISIBLE_MS, "sweep + tick must fit into the promise"
assert MAX_POLYGON_POINTS <= MAX_PLAN_POINTS, "one legal polygon fits into a plan"
assert RELAY_TIMEOUT_S < 1.0, "holds of an unreachable region fail within 1 s"
assert SILENCE_MS >= 2 * HEARTBEAT_MS, "one lost heartbeat is not silence"
assert CONFIRM_WAIT_S > RELAY_TIMEOUT_S
assert LEAVE_S > CONFIRM_WAIT_S + 2 * RELAY_TIMEOUT_S, "a confirm that has just come is answered"
assert MAX_SEATS_PER_HOLD * MAX_ID_LENGTH * 4 < MAX_EVENT_BYTES, "a legal hold fits into one event"
