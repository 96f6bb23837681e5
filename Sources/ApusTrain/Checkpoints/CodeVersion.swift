/// The version of this program.
public enum CodeVersion {
    /// What `apus --version` prints and checkpoints record: another version may compute other bits.
    public static let current = "0.1.0"
}
