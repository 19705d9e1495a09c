"""Which labels and pictures to doubt."""
