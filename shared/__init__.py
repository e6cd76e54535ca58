"""The floor: what two services need. It imports none of them."""
