/// The library as one import: everything that a program needs to fine-tune a model and to sample from it.
@_exported public import ApusData
@_exported public import ApusExport
@_exported public import ApusGeneration
@_exported public import ApusHub
@_exported public import ApusModel
@_exported public import ApusPython
@_exported public import ApusRewards
@_exported public import ApusText
@_exported public import ApusTrackers
@_exported public import ApusTrain

// Of the layers below, what users need: the choice of threads and instruction set, and the errors that reach them.
@_exported public import class ApusCPU.CPUBackend
@_exported public import enum ApusCPU.InstructionSet
@_exported public import struct ApusFormats.BigInteger
@_exported public import struct ApusFormats.FormatError
@_exported public import struct ApusTensor.AdamWStep
@_exported public import protocol ApusTensor.Backend
@_exported public import enum ApusTensor.DeviceChoice
@_exported public import struct ApusTensor.TensorError
