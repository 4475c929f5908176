"""The words of the demo bank's pages, in English and Hindi, and how amounts are written in India. Pure."""

from __future__ import annotations

from realtime.dev.bank.ledger import Behaviour

LANGUAGES = {"en": "English", "hi": "हिन्दी"}

_TEXTS: dict[str, tuple[str, str]] = {
    "bank": ("Demo bank", "डेमो बैंक"),
    "no_money": (
        "This bank is for trying out. No real money moves.",
        "यह बैंक केवल आज़माने के लिए है। असली पैसा नहीं लगता।",
    ),
    "payment": ("Payment", "भुगतान"),
    "to_pay": ("Amount to pay", "भुगतान की राशि"),
    "order": ("Order", "ऑर्डर"),
    "how": ("How should this payment go?", "यह भुगतान कैसे हो?"),
    "language": ("Language", "भाषा"),
    "paid_before": ("This order was already paid.", "इस ऑर्डर का भुगतान पहले ही हो चुका है।"),
    "time_over": (
        "The time for this order is over. If you pay now, the payment is late.",
        "इस ऑर्डर का समय समाप्त हो चुका है। अब किया गया भुगतान देर से माना जाएगा।",
    ),
    "done": ("Payment received", "भुगतान मिल गया"),
    "declined": ("Payment declined", "भुगतान अस्वीकार हुआ"),
    "later": ("Payment not confirmed yet", "भुगतान की पुष्टि अभी नहीं हुई"),
    "later_why": (
        "The bank will report it after the time for this order is over.",
        "बैंक इसकी सूचना ऑर्डर का समय समाप्त होने के बाद देगा।",
    ),
    "silent_why": (
        "The bank does not report it to the shop. You can close this page.",
        "बैंक किसी को सूचना नहीं देगा। आप यह पेज बंद कर सकते हैं।",
    ),
    "declined_why": ("No money was taken. You can try again.", "कोई राशि नहीं ली गई। आप फिर कोशिश कर सकते हैं।"),
    "back": ("Back to the shop", "दुकान पर वापस जाएँ"),
    "again": ("Try again", "फिर कोशिश करें"),
    "not_found": ("There is no such order", "ऐसा कोई ऑर्डर नहीं है"),
    "order_paid": ("This order was already paid", "इस ऑर्डर का भुगतान पहले ही हो चुका है"),
    "refused": ("The bank refuses this", "बैंक ने इसे अस्वीकार किया"),
}

_CHOICES: dict[Behaviour, tuple[tuple[str, str], tuple[str, str]]] = {
    Behaviour.PAY: (
        ("Pay", "भुगतान करें"),
        ("The money is taken at once.", "राशि तुरंत ली जाती है।"),
    ),
    Behaviour.DECLINE: (
        ("Decline", "अस्वीकार करें"),
        ("The bank refuses the payment.", "बैंक भुगतान को अस्वीकार करता है।"),
    ),
    Behaviour.LATE: (
        ("Pay too late", "देर से भुगतान करें"),
        (
            "The payment arrives after the seats are no longer held.",
            "भुगतान सीटों का आरक्षण समाप्त होने के बाद पहुँचता है।",
        ),
    ),
    Behaviour.TWICE: (
        ("Pay twice", "दो बार भुगतान करें"),
        ("The money is taken twice; one payment must come back.", "राशि दो बार ली जाती है; एक भुगतान वापस आना चाहिए।"),
    ),
    Behaviour.SILENT: (
        ("Pay and say nothing", "भुगतान करें, सूचना न दें"),
        (
            "The money is taken, and the shop must find out by asking.",
            "राशि ली जाती है, और दुकान को पूछकर पता लगाना होता है।",
        ),
    ),
}


def text(key: str, language: str) -> str:
    """Return a text in ``en`` or ``hi``."""
    english, hindi = _TEXTS[key]
    return hindi if language == "hi" else english


def choice(behaviour: Behaviour, language: str) -> tuple[str, str]:
    """Return a button's label and the sentence that explains it."""
    label, why = _CHOICES[behaviour]
    at = 1 if language == "hi" else 0
    return label[at], why[at]


def rupees(paise: int) -> str:
    """Return an amount as India writes it: ``₹1,23,456.70``."""
    whole, part = divmod(paise, 100)
    digits = str(whole)
    head, tail = digits[:-3], digits[-3:]
    groups = [tail]
    while head:
        head, group = head[:-2], head[-2:]
        groups.insert(0, group)
    return f"₹{','.join(groups)}.{part:02d}"


def language_of(query: str, accepted: str) -> str:
    """Return ``en`` or ``hi``: the page's ``lang`` if given, else the first language that the browser names."""
    if query in LANGUAGES:
        return query
    first = accepted.split(",")[0].strip().lower()
    return "hi" if first[:2] == "hi" else "en"
