import ApusTensor
import ApusTestModels
import Testing

@testable import ApusModel

/// The memory that passes work in: both halves of a layer have the same, and within a half nothing meets.
@Suite struct WorkspaceTests {
    @Test(arguments: ["tiny_llama", "tiny_qwen2"], [1, 70])
    func whatOneHalfWorksInIsApart(name: String, rows: Int) throws {
        let model = try TinyModel(name, precision: .f32, backend: TestDevice.backend(threads: 1)).model
        let backend = model.backend
        let workspace = try Workspace(
            model.configuration, rank: 2, capacity: rows, training: true, feedForwardRows: 64, on: backend)
        let always = [workspace.residual, workspace.normed, workspace.delta, workspace.dNormed].map { $0(rows) }
        let attention = [
            workspace.query, workspace.key, workspace.value, workspace.attended, workspace.logSumExp, workspace.dQuery,
            workspace.dKey, workspace.dValue, workspace.dAttended,
        ].map { $0(rows) }
        let feedForward = [workspace.gate, workspace.up, workspace.activated].map { $0(min(rows, 64)) }
        for half in [attention, feedForward] {
            let all = always + half
            for (number, matrix) in all.enumerated() { backend.fill(matrix, with: Float(number)) }
            for (number, matrix) in all.enumerated() {
                #expect(try backend.download(matrix).allSatisfy { $0 == Float(number) }, "\(number)")
            }
        }
        #expect(attention[0].storage === feedForward[0].storage)
    }
}
