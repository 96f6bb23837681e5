import ApusCUDA
import ApusTensor
import ApusTestModels
import Foundation
import Testing

@testable import Apus
@testable import ApusCLI

/// Where a command computes: what is written, what is there, and what is said of it.
@Suite struct DeviceTests {
    @Test(arguments: [
        ("auto", DeviceChoice.automatic), ("cpu", .cpu), ("cuda", .cuda(0)), ("cuda:0", .cuda(0)),
        ("cuda:12", .cuda(12)),
    ])
    func choicesAreRead(text: String, choice: DeviceChoice) throws {
        #expect(DeviceChoice(text) == choice)
        #expect(DeviceChoice(choice.description) == choice)
        let configuration = try RunConfiguration(arguments: ["--model", "m.gguf", "--device", text])
        #expect(configuration.settings.device == choice)
    }

    @Test(arguments: ["gpu", "CUDA", "cuda:", "cuda:-1", "cuda:99999", "cuda:1:2", "cuda 1"])
    func othersAreRefused(text: String) {
        #expect(DeviceChoice(text) == nil)
        let error = #expect(throws: SettingError.self) {
            _ = try RunConfiguration(arguments: ["--model", "m.gguf", "--device", text])
        }
        #expect(error?.description.contains("auto, cpu, cuda, or cuda:N for card N") == true)
    }

    @Test func theProcessorInTRLsWords() throws {
        let configuration = try RunConfiguration(arguments: ["--model", "m.gguf", "--use_cpu", "true"])
        #expect(configuration.settings.device == .cpu)
        #expect(throws: SettingError.self) {
            _ = try RunConfiguration(arguments: ["--model", "m.gguf", "--use_cpu", "true", "--device", "cuda"])
        }
    }

    private static let noDriver = TensorError("CUDA: wanted a driver, found none; install it, or use the device cpu")

    /// The processor computes where there is no card, and says why; who asks for a card is told.
    @Test func withoutACard() throws {
        let none: (Int?) throws(TensorError) -> any Backend = { (_) throws(TensorError) in throw Self.noDriver }
        let device = try Device(.automatic, threads: 1, openCard: none)
        #expect(device.processor != nil)
        #expect(device.reason == "auto: wanted a driver, found none")
        #expect(throws: TensorError.self) { _ = try Device(.cuda(0), threads: 1, openCard: none) }
        #expect(try Device(.cpu, threads: 1, openCard: none).reason == "asked for")
    }

    @Test func withACard() throws {
        var asked: [Int?] = []
        let card: (Int?) throws(TensorError) -> any Backend = { (ordinal) throws(TensorError) in
            asked.append(ordinal)
            do { return try TestDevice.emulatedCard() } catch { throw TensorError("\(error)") }
        }
        let device = try Device(.automatic, threads: 1, openCard: card)
        #expect(device.processor == nil && device.summary.hasPrefix("CUDA, "))
        #expect(try Device(.cuda(3), threads: 1, openCard: card).reason == "asked for")
        #expect(try Device(.cpu, threads: 1, openCard: card).processor != nil)
        #expect(asked == [nil, 3])
    }

    /// Without a driver nothing is missing; a card that is too old is named with what it lacks.
    @Test func theDoctorSaysWhatThereIs() throws {
        let without = Examination.cards(.failure(Self.noDriver))
        #expect(without.map(\.status) == [.note] && without[0].value.contains("found none"))
    }
}
