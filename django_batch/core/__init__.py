"""What a batch means: values and rules, without Django and without a wire format."""
