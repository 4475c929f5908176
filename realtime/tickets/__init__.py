"""What a buyer takes home: ticket code, signed QR token, PDF, calendar entry and mail.

Pure functions over the values of ``data``: no network, no database, no clock. Workers and nodes call them.
"""
