"""The PSP gateway: deposits, withdrawals, refunds and disputes at payment service providers."""
