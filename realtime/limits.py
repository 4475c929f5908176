"""Every limit of the system. Assertions at the end check how they relate to each other.

Pure constants: this module imports nothing and never reads the environment. Names end with their unit:
``_MS`` milliseconds, ``_S`` seconds, ``_BYTES`` bytes.
"""

# --- what a buyer may do ------------------------------------------------------------------------------------------
MAX_SEATS_PER_HOLD = 10
"""Seats in one hold; a show may set a lower limit of its own."""
MAX_HOLDS_PER_OWNER = 10
"""Live holds of one owner on one show; limits what a single identity can lock."""
MAX_SEATS_PER_ADDRESS = 50
"""The default for how many seats of a show one network address may hold at a time: enough for a few families."""
REST_S = 30.0
"""The default for how long an address can't hold seats that it has just had for a full hold time."""
MAX_REST_S = 60.0
"""The longest rest that a topology may ask for: the master keeps its records of rests for this long."""
MAX_ORDERS_PER_HOLD = 5
"""The most different orders of one hold, each for other seats of it: the gateway is asked about each for days."""
MAX_EXTENSIONS = 1
"""How often one hold may be extended."""
MAX_WATCHES_PER_CONNECTION = 8
"""Shows that one connection may watch at a time."""

# --- time ---------------------------------------------------------------------------------------------------------
DEFAULT_HOLD_S = 480
MIN_HOLD_S = 1
MAX_HOLD_S = 1800
ADMIT_BEFORE_S = 4 * 3600
ADMIT_AFTER_S = 12 * 3600
"""A gate that names no show admits to shows that start within the first, or have started within the second."""
GATE_LEASE_S = 2 * 3600
"""How long a gate may admit from its list after its last contact with the server ..."""
GATE_LEASE_MARGIN_S = 120
"""... and for how much longer nobody else is admitted with its tickets, because the clocks of devices and masters
differ."""
GATE_CONFLICT_RECENT_MS = 24 * 3600 * 1000
"""Conflicts of admissions count in the alarms of operators for this long."""
MAX_LEASED = 5_000
"""Tickets in one lease of a gate."""
MAX_LISTED = 500
"""Rows in one answer to operators."""
MAX_REPORTED = 100
"""Admissions that a device reports in one request."""
MAX_ADMITTED_AGO_MS = 7 * 24 * 3600 * 1000
"""Admissions that a device reports are no older than this."""
CANCEL_BEFORE_START_S = 2 * 3600
"""Owners can cancel their bookings until so long before the start of a show, unless the show names another time."""
SALES_AFTER_START_S = 20 * 60
"""Sales of a show end so long after its start, unless the show names another time."""
TURN_MS = 4_000
"""How long a turn lasts if its keeper dies; a live keeper renews its turn."""
COMPARING_MS = 60_000
"""The longest pause between two comparisons of shows. If the keeper that compares has died, another one continues
then."""
PAYMENT_TIMEOUT_S = 300
"""How long a buyer may take at the payment service; pages get it from ``/api/v1/config``."""
PAYMENT_SLACK_S = 60
"""How much longer than that a hold of default length lasts: the time to decide to pay, and the time of the confirm."""
PROLONG_STEP_MS = 60_000
"""A hold is kept this long from now while the gateway does not say whether it is paid for ..."""
PROLONG_MS = 600_000
"""... and this long in all, past the deadline that its owner knows."""
PROLONG_BEFORE_S = 2.0
"""While the gateway is asked, a hold is prolonged when no more than this is left of it ..."""
ASKING_STEP_MS = 10_000
"""... for this long at a time, until the gateway has answered or its time-out is over."""
KNOWN_DEADLINES = 10_000
"""How many deadlines of holds a process remembers for each region. A hold that it does not know is prolonged at
once."""
ORDER_CHECK_S = (10, 20, 40, 60, 120, 300, 600, 1800, 3600)
"""Pauses between the questions to the gateway about an order that nobody has paid; the last one repeats."""
ORDER_OPEN_S = 3 * 24 * 3600
"""For how long the gateway is asked about an order, because it may report a payment that late."""
ORDER_FOLLOW_UP_S = 3600
"""For how long the gateway is asked about a settled order (unless a payment of it has failed): it may be paid twice."""
COMMANDS_KEPT_S = 7 * 24 * 3600
"""How long the outcome of a request can be asked for."""
AUDIT_KEPT_S = 400 * 24 * 3600
"""How long an entry of the audit log is kept."""
MAX_AUDIT_DETAIL = 1000
"""Characters of a request's body in the audit log."""
TASK_RETRY_S = 60.0
"""How often the jobs of unfinished tasks are added again; a job that is still in its queue is left alone."""
LONGEST_SHOW_S = 6 * 3600
"""A show counts as over this long after its start."""
ARCHIVE_AFTER_S = 24 * 3600
"""A show that has been over for this long is archived: it leaves the lock master and stays in the ledger."""
QUERY_TIMEOUT_S = 5.0
"""How long a keeper may take to answer a query about the ledger."""
ENDED_KEEP_MS = 600_000
"""How long the record of an ended hold is kept, to answer repeated requests and to find the seats of a late payment."""
LEDGER_WAIT_S = 3.0
"""How long a node waits for the ledger: then a confirm is answered ``pending``. An order, a webhook or a refund that
the ledger does not have by then is answered ``region_unavailable``."""
RELAY_TIMEOUT_S = 0.9
"""A region that does not answer within this time is ``region_unavailable``; clients are promised 1 s."""
START_S = 2.0
"""How long a starting node waits for regions that it can't read before it serves the others."""
FIRST_REQUEST_S = 30.0
"""How long a connection may stay open before its first request."""
HEAD_S = 10.0
"""How long the head of a request may take, from its first byte."""
BODY_S = 20.0
"""How long the body of a request may take, from the end of its head ..."""
PLAN_BODY_S = 300.0
"""... and that of a seating plan, once the operator key has been accepted."""
WRITE_S = 60.0
"""How long a client may take to read one answer, from when it no longer fits into the buffers."""
IDLE_S = 75.0
"""How long an HTTP connection may idle between two requests."""
BURST_S = 1.0
"""Younger unfinished connections of one address are spared, up to four times their limit: crowds arrive at once."""
CONNECT_S = 10.0
"""How long a Socket.IO client may take to send CONNECT after its connection has opened."""
COMMAND_TIMEOUT_S = 15.0
"""How long a node or the command line waits for a keeper's answer to an operator's command."""
EXPIRY_POLL_MS = 100
"""How often a keeper looks for holds past their deadline."""
EXPIRY_LOOK = 4_096
"""Holds past their deadline that a keeper sweeps in one look, in calls of ``KEEPER_BATCH`` ..."""
EXPIRY_LOOKS = 4
"""... and the most such looks in one turn: lapsed holds of shows that can't be rebuilt come before the others."""
EXPIRY_VISIBLE_MS = 500
"""A seat whose hold has expired is shown as free on every map within this time."""
HEARTBEAT_MS = 1_000
"""How often a keeper publishes a heartbeat through its master."""
STATUS_REPORT_MS = 2_000
"""How often nodes and keepers write their status report."""
VIEWER_COUNTS_MS = 15_000
"""How often nodes report how many watch each show, and how often keepers record figures by the hour."""
STATUS_REPORT_OLD_MS = 10_000
"""A keeper whose status report has not changed for this long is not live; the control room shows it as silent."""
STATUS_REPORT_GONE_MS = 60_000
"""Keepers delete a status report that has not changed for this long."""
INCIDENTS_KEPT = 1_000
"""Incidents that a region's master keeps, about (``locks.incidents``)."""
INCIDENTS_A_MINUTE = 30
"""Incidents that one process records in a minute."""
INCIDENTS_LISTED = 200
"""Incidents in one answer."""
INCIDENT_STATE_S = 30 * 24 * 3600
"""How long a master remembers what the last incident of a kind was."""
SILENCE_MS = 3_000
"""A feed that has received no heartbeat for this long checks whether its server is still there."""
FEED_LINGER_S = 30.0
"""How long a room keeps its subscription after the last viewer left."""
TOKEN_MAX_AGE_S = 30 * 24 * 3600
"""How long a token of a guest or a shop's customer is valid; each connection renews that of a guest ..."""
IDENTITY_MAX_AGE_S = 400 * 24 * 3600
"""... until the identity is this old."""
LINK_AFTER_START_S = 8 * 3600
"""A link to a ticket ends this long after the start of the show."""
PIN_FORGIVE_S = 30.0
"""One wrong kiosk PIN of an address is forgiven after this time."""
KEY_FORGIVE_S = 3.0
"""One wrong operator key of an address is forgiven after this time."""
ATTEMPT_DELAY_S = 0.5
"""How long the answer to a wrong secret is held back after too many of them ..."""
ATTEMPT_LONGEST_DELAY_S = 20.0
"""... and the longest time for a kiosk PIN, for which the delay grows with the number of recent wrong ones."""
ATTEMPT_RECENT_S = 300.0
"""What counts as recent: after this time, a wrong secret counts for a third."""
ATTEMPT_LOG_S = 60.0
"""Wrong secrets are logged in one line per this time, and the first at once."""

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
"""Points of all shapes of a plan together, which every viewer's page has to draw."""
MAX_SEAT_LABEL_LENGTH = 64
"""Row and seat numbers."""
MAX_EVENT_BYTES = 64 * 1024
"""One Socket.IO message or HTTP body from a client. A client that sends a larger message is disconnected."""
MAX_ID_LENGTH = 64
"""Theatre, show, category and seat ids, and request ids."""
MAX_TEXT_LENGTH = 200
"""Titles and names."""
MAX_PAYMENT_LENGTH = 2048
MAX_SOLUTION_LENGTH = 2048
"""Solution of a challenge."""
MAX_PRICE_RUPEES = 10_000_000
MAX_FEE_PAISE = 1_000_000
MAX_FEE_BASIS_POINTS = 10_000
"""Of the fee for one seat: Rs 10,000 and the whole price."""
MIN_PIN_DIGITS = 6
MAX_PIN_DIGITS = 12
"""Length of the PIN that leaves a kiosk."""

# --- queues, buffers and histories --------------------------------------------------------------------------------
ROOM_HISTORY_CHANGES = 4_096
"""Changes that a room keeps for viewers who return with ``since``."""
ROOM_HISTORY_SEATS = 65_536
"""The sum of seats in these changes."""
VIEWER_UNSENT_BYTES = 256 * 1024
"""A viewer with more unsent bytes is lagging: it gets no changes until it has read them, then one catch-up."""
VIEWER_KERNEL_BYTES = 128 * 1024
"""The kernel's send buffer of a viewer's connection, which holds unsent bytes in addition to that."""
VIEWER_STUCK_S = 30.0
"""A viewer that has been lagging for this long is disconnected."""
REPLY_WAITS = 500
"""Requests of one node that wait for a keeper of one region, each on a connection of its own to the master; more are
refused as ``overloaded``."""
BUYERS_QUERIES = 16
BUYERS_COMMANDS = 4
"""The most of these that are buyers' requests; further ones wait, and addresses take turns. An answer takes a round
trip."""
ADDRESS_WAITING = 250
"""How many requests of one address may wait for a turn at the same kind of work."""
RELAY_QUEUE_CALLS = 10_000
"""Calls of one node waiting for one master; more are refused as ``overloaded``."""
OUTBOX_LIMIT = 100_000
"""Entries in a region's outbox. While it is full, what buyers send to it (orders, confirms, commands) is refused as
``overloaded`` before anything is written."""
OUTBOX_STAFF_LIMIT = 120_000
"""The same for commands of staff, the audit log and reports of payment services, so that buyers can't crowd them
out."""
SEATS_PER_CALL = 1_000
"""Seats that one call blocks or unblocks; more take several. It takes the master a few ms, 50 if a hold of each seat
has just lapsed."""
KNOWN_ORDERS = 10_000
"""How many orders a node remembers. For a repeated request, the payment service is not asked again."""
OUTCOMES_OF_OWNER = 1_000
"""How many outcomes of one owner are kept; further outcomes of a buyer's commands are not kept."""
KEEPER_BATCH = 256
"""Outbox entries in one ledger transaction, and holds in one expiry call."""
LAYOUT_CACHE = 64
"""Decoded layouts in the cache of a node."""
CODED_LAYOUTS_BYTES = 32 * 1024 * 1024
"""Coded layouts in the cache of a node, in all codings; one of 60,000 seats takes 200 kB."""
DEFLATED_SEATS = 2_000
"""Maps with fewer seats are not compressed, because they fit into one network packet."""
PAGE_CACHE = 64
"""Pages with their data that a node keeps compressed; one takes up to 200 kB."""
PAGE_SEATS_S = 0.2
"""How long a node waits for the seats that it embeds in a page; without them, the page requests them."""
EVENT_BURST = 100
EVENTS_PER_S = 50.0
"""Token bucket of one connection; when it is empty, events are refused as ``rate_limited``."""
EVENTS_AT_ONCE = 32
"""How many events of one connection are answered at a time; further ones wait unread."""
EVENTS_OVER_LIMIT = 400
"""A connection with this many more events refused than granted is closed."""
ADDRESS_BURST = 2_000
ADDRESS_PER_S = 1_000.0
"""Token bucket of one network address for requests without identity. High, because a mobile carrier puts thousands of
buyers behind one address."""
ADDRESS_HOLDS_BURST = 200
ADDRESS_HOLDS_PER_S = 20.0
"""Token bucket of one network address for holds, at each node, unless many people are known to share it. It can't have
more than ``MAX_SEATS_PER_ADDRESS`` seats of a show at a time."""
ADDRESS_ORDERS_BURST = 200
ADDRESS_ORDERS_PER_S = 20.0
"""The same for orders: each causes a request to the payment service and an entry in the outbox."""
ADDRESS_COMMANDS_BURST = 100
ADDRESS_COMMANDS_PER_S = 5.0
"""The same for what keepers carry out for buyers: cancellations, and links that are revoked."""
HOLD_DELAY_S = 5.0
"""After a request that was refused by these limits, the connection waits for half of this to all of it."""
HOLDS_HELD_BACK = 1_000
"""The most answers to such HTTP requests that a node holds back at a time."""
DRAIN_S = 8.0
"""How long a stopping node waits for pending requests and for its connections to close."""
DRAIN_PER_S = 2_000
"""Connections that a stopping node closes per second, so that the other nodes can accept them."""
KERNEL_RECEIVE_BYTES = 256 * 1024
"""The kernel's receive buffer of a connection: how much a client can send before the node reads it."""
KERNEL_SEND_BYTES = 256 * 1024
"""The kernel's send buffer of a connection: how much of an answer is written for a client that reads nothing."""
HEAD_BYTES = 16 * 1024
"""The whole head of a request."""
HTTP_UNSENT_BYTES = 32 * 1024
"""Unsent bytes of an HTTP connection above which no more of its answer is written."""
OTHER_FILES = 500
"""How many files a node keeps for other uses than clients' connections: masters, replicas, pages, logs."""
ADDRESS_IDLE = 250
"""HTTP connections of one address that idle between two requests; the oldest is closed for the next."""
ADDRESS_UNFINISHED = 300
"""Silent connections, later heads and unread answers of one address; the oldest is closed for the next."""
ADDRESS_HEADS = 100
"""First heads of one address of which a part has arrived; the oldest is closed for the next. All may become whole in
one iteration of the loop, which others wait for."""
ADDRESS_BODIES = 100
BODIES = 400
"""Bodies of one address, and in all, of which a part has arrived; the oldest is closed for the next. Each may take
twice ``MAX_EVENT_BYTES`` of memory, a webhook's six times; a buyer's arrive in one piece with their heads."""
ADDRESS_WASTED = 100
ADDRESS_WASTED_PER_S = 20.0
"""Leaky bucket of one address for connections that led to nothing: its new connections are slowed while it is full."""
WASTED = 1_000
WASTED_PER_S = 200.0
"""Leaky bucket of all addresses: while it is full, every address that has wasted a connection recently is slowed."""
WASTE_S = 2.0
"""How long "recently" is."""
TURNS = 16
"""Connections that are opened, or ended, and requests and events that are handled, of one address in one iteration of
the loop, while iterations are short."""
SLOWED_PER_S = 200
"""How many new connections all slowed addresses together get: they take at most a fifth of a core."""
WASTING_ADDRESSES = 10_000
"""Addresses whose bucket a node remembers; the one that was quiet for longest is dropped."""
ADDRESS_UNCONNECTED = 500
"""Socket.IO sessions of one address that have not sent CONNECT; the oldest is closed for the next."""
ADDRESS_POLLING = 2_000
"""Socket.IO sessions of one address by long-polling; that which has not polled for longest is closed for the next. Most
clients of a crowd behind one address begin so, and upgrade to a WebSocket within a second or two."""
PIN_ATTEMPTS = 5
"""Wrong kiosk PINs of an address in a row that are answered at once."""
KEY_ATTEMPTS = 20
"""Wrong operator keys of an address in a row that are answered at once; several operators may share one address."""
ATTEMPT_CALLERS = 10_000
"""How many addresses and prefixes with wrong attempts a node remembers; the one idle for longest is dropped."""
ATTEMPTS_HELD_BACK = 1_000
"""Answers to wrong secrets that a node holds back at a time."""

# --- fan-out ------------------------------------------------------------------------------------------------------
TICK_MIN_MS = 50
TICK_MAX_MS = 200
"""Under load a room sends at most one frame per tick; the tick grows with the time that sending a frame takes."""
TICK_PER_SENDING = 1.2
"""A tick is this many times as long as sending a frame took; the rest is left for joins, holds and other rooms."""

assert DEFAULT_HOLD_S >= PAYMENT_TIMEOUT_S + PAYMENT_SLACK_S, "a hold must outlive the payment"
assert MIN_HOLD_S <= DEFAULT_HOLD_S <= MAX_HOLD_S
assert EXPIRY_POLL_MS + TICK_MAX_MS < EXPIRY_VISIBLE_MS, "sweep + tick must fit into the promise"
assert MAX_POLYGON_POINTS <= MAX_PLAN_POINTS, "one valid polygon fits into a plan"
assert RELAY_TIMEOUT_S < 1.0, "holds of an unreachable region fail within 1 s"
assert SILENCE_MS >= 2 * HEARTBEAT_MS, "one lost heartbeat is not silence"
assert 2 * STATUS_REPORT_MS < STATUS_REPORT_OLD_MS < STATUS_REPORT_GONE_MS, "one late report is not silence"
assert PROLONG_BEFORE_S > 2 * RELAY_TIMEOUT_S, "a hold is prolonged in time, also if its deadline came late"
assert ASKING_STEP_MS > 2 * PROLONG_BEFORE_S * 1000
assert LEDGER_WAIT_S > RELAY_TIMEOUT_S
assert OUTBOX_STAFF_LIMIT > OUTBOX_LIMIT, "staff get through while buyers are refused"
assert DRAIN_S > LEDGER_WAIT_S + 2 * RELAY_TIMEOUT_S, "a confirm that has just arrived is still answered"
assert MAX_SEATS_PER_HOLD * MAX_ID_LENGTH * 4 < MAX_EVENT_BYTES, "a valid hold fits into one event"
