"""A Keras network written down as ONNX, call by call: the pieces, what each layer becomes, and the way through a network.

Converters trace a network into a graph of TensorFlow's and copy that, weights and all, before each of their steps: gigabytes
for a ResNet50. What a network is made of can be read from its configuration, and some forty kinds of calls make all of ours.
"""
