/// The library as one import: everything that a program needs to fine-tune a model and to sample from it.
@_exported public import ApusData
@_exported public import ApusGeneration
@_exported public import ApusModel
@_exported public import ApusText
@_exported public import ApusTrain

// The one name of the layer below that users need: it chooses threads and instruction set.
@_exported public import class ApusTensor.CPUBackend
