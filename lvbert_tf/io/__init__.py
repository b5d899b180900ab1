"""Files and streams, whatever they hold. Nothing here knows TensorFlow, but for data sets of its own."""
