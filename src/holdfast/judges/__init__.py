"""Who decides: rules and classifiers that turn a response into a judgement."""
