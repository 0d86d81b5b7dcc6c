"""A local Twilio: its REST API, its signed webhooks, its faults, and a page with a phone."""
