"""The fixed words of tickets, calendar entries and mails in each language."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.tickets.data import Locale


@dataclass(frozen=True, slots=True)
class Words:
    """One language. ``{...}`` are filled with ``str.format``."""

    ticket: str
    seat_one: str
    seat_many: str
    doors: str
    section: str
    row: str
    seats: str
    wheelchair: str
    holder: str
    code: str
    booking: str
    show_this: str
    terms: str
    tax_invoice: str
    receipt: str
    sold_by: str
    number: str
    date: str
    item: str
    count: str
    unit: str
    taxable: str
    amount: str
    fee: str
    total: str
    total_paid: str
    refund: str
    reference: str
    greeting: str
    greeting_anonymous: str
    ticket_subject: str
    ticket_intro: str
    ticket_attached: str
    ticket_link: str
    exchanged_subject: str
    exchanged_intro: str
    cancelled_subject: str
    cancelled_intro: str
    cancelled_heading: str
    refund_subject: str
    refund_heading: str
    refund_intro_cancelled: str
    refund_intro_rejected: str
    refund_when: str
    mail_reason: str


_ENGLISH = Words(
    ticket="Ticket",
    seat_one="{n} seat",
    seat_many="{n} seats",
    doors="Doors open",
    section="Section",
    row="Row",
    seats="Seats",
    wheelchair="wheelchair space",
    holder="Name",
    code="Ticket code",
    booking="Booking",
    show_this="Show this QR code at the entrance, on paper or on a screen.",
    terms="This ticket is admitted once. Keep the QR code to yourself: only the first person to use it is admitted.",
    tax_invoice="Tax invoice",
    receipt="Receipt",
    sold_by="Sold by",
    number="Number",
    date="Date",
    item="Item",
    count="Qty",
    unit="Price",
    taxable="Taxable value",
    amount="Amount",
    fee="Booking fee",
    total="Total",
    total_paid="Total paid",
    refund="Refund",
    reference="Reference",
    greeting="Hello {name},",
    greeting_anonymous="Hello,",
    ticket_subject="Your ticket: {title}, {date}",
    ticket_intro="Your seats are booked. Show the QR code at the entrance, on paper or on your phone.",
    ticket_attached="The ticket is attached as a PDF, with an entry for your calendar.",
    ticket_link="Open the ticket",
    exchanged_subject="Your new seats: {title}, {date}",
    exchanged_intro="The theatre has moved you to other seats. This ticket replaces the earlier one and has its code.",
    cancelled_subject="Cancelled: {title}, {date}",
    cancelled_heading="Booking cancelled",
    cancelled_intro="This booking is cancelled. Its ticket is not valid any more.",
    refund_subject="Refund of {amount}: {title}",
    refund_heading="Refund",
    refund_intro_cancelled="We have returned your payment for the cancelled booking.",
    refund_intro_rejected="The seats could not be booked, so we have returned your payment.",
    refund_when="It can take your bank a few working days to show it.",
    mail_reason="You get this mail because this address was given for the booking.",
)

_HINDI = Words(
    ticket="टिकट",
    seat_one="{n} सीट",
    seat_many="{n} सीटें",
    doors="प्रवेश शुरू",
    section="सेक्शन",
    row="पंक्ति",
    seats="सीटें",
    wheelchair="व्हीलचेयर की जगह",
    holder="नाम",
    code="टिकट कोड",
    booking="बुकिंग",
    show_this="प्रवेश द्वार पर यह QR कोड दिखाएँ, काग़ज़ पर या स्क्रीन पर।",
    terms="इस टिकट से एक ही बार प्रवेश मिलता है। QR कोड किसी को न दें: उसकी नक़ल से केवल पहले व्यक्ति को प्रवेश मिलेगा।",
    tax_invoice="कर बीजक",
    receipt="रसीद",
    sold_by="विक्रेता",
    number="संख्या",
    date="दिनांक",
    item="विवरण",
    count="नग",
    unit="मूल्य",
    taxable="कर योग्य मूल्य",
    amount="राशि",
    fee="बुकिंग शुल्क",
    total="कुल",
    total_paid="कुल भुगतान",
    refund="वापसी",
    reference="संदर्भ",
    greeting="नमस्ते {name},",
    greeting_anonymous="नमस्ते,",
    ticket_subject="आपका टिकट: {title}, {date}",
    ticket_intro="आपकी सीटें बुक हो गई हैं। प्रवेश द्वार पर QR कोड दिखाएँ, काग़ज़ पर या फ़ोन पर।",
    ticket_attached="टिकट PDF के रूप में संलग्न है, साथ में कैलेंडर की प्रविष्टि।",
    ticket_link="टिकट खोलें",
    exchanged_subject="आपकी नई सीटें: {title}, {date}",
    exchanged_intro="थिएटर ने आपकी सीटें बदली हैं। यह टिकट पिछले टिकट की जगह लेता है; इसका कोड वही है।",
    cancelled_subject="रद्द: {title}, {date}",
    cancelled_heading="बुकिंग रद्द",
    cancelled_intro="यह बुकिंग रद्द कर दी गई है। इसका टिकट अब मान्य नहीं है।",
    refund_subject="{amount} की वापसी: {title}",
    refund_heading="पैसे की वापसी",
    refund_intro_cancelled="रद्द की गई बुकिंग का आपका भुगतान हमने लौटा दिया है।",
    refund_intro_rejected="सीटें बुक नहीं हो सकीं, इसलिए हमने आपका भुगतान लौटा दिया है।",
    refund_when="आपके बैंक में दिखने में कुछ कार्य दिवस लग सकते हैं।",
    mail_reason="यह मेल इसलिए मिला है कि बुकिंग के लिए यह पता दिया गया था।",
)

WORDS = {Locale.ENGLISH: _ENGLISH, Locale.HINDI: _HINDI}
"""The words by language."""
