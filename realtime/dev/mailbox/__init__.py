"""A mail server for one machine that delivers nothing: it keeps what it is sent, and shows it at a page.

``up`` runs it in the place of a real server. Like the mailboxes of most people it shows one message for one Message-ID,
and counts how often that was delivered.
"""
