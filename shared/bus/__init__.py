"""The bus: what carries everything between the processes. A port, and two that keep it: `amqp` and `memory`."""
