"""The meaning of a batch: values and rules, without Django and without a wire format."""
