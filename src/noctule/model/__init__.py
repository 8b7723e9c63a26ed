"""Features to scores with a trained network.
Takes FeatureBlock. Gives MotionScore. Start at runtime.py; what the network computes is in network.py.
torch is imported in network.py only, ONNX Runtime when a detector is made."""
