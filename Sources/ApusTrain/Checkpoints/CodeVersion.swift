/// The version of this program.
package enum CodeVersion {
    /// What `apus --version` prints and checkpoints record: another version may compute other bits.
    package static let current = "0.1.0"
}
