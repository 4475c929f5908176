"""Money: what a booking costs, and the payment services that take and return it.

| module | holds |
| --- | --- |
| ``prices``, ``taxes`` | what a booking costs, with its taxes, from a dated table; pure |
| ``status`` | the states of a payment and of a refund, and how reports of a payment are merged; pure |
| ``ladder`` | what follows from a payment: book, book an equal block, refund; pure |
| ``service`` | ``PaymentService``: what every payment service can do |
| ``signed``, ``razorpay``, ``demo`` | the payment services |
| ``factory`` | which of them an installation uses |

Nothing here writes to a ledger or a lock master: the callers record what they learn, under unique keys.
"""
