"""What was computed: names of nodes, keys, receipts, the store, and the code behind them."""
