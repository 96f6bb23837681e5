/// The library as one import: everything that a program needs to fine-tune a model and to sample from it.
@_exported public import ApusData
@_exported public import ApusGeneration
@_exported public import ApusModel
@_exported public import class ApusTensor.CPUBackend
@_exported public import ApusText
@_exported public import ApusTrain
