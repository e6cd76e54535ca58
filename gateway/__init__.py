"""The edge: holds the connections of clients and nothing that its death would lose."""
