/// What happened in a generation.
package struct GenerationStatistics: Sendable, Equatable {
    /// Passes in which every running sequence got a token.
    package var decodeSteps = 0
    /// Tokens that those passes computed.
    package var decodeRows = 0
    /// Rows of prompts, and rows computed again.
    package var prefillRows = 0
    /// Running sequences that had to leave and come back.
    package var preemptions = 0
    /// Times that kept rollouts were let go because pages ran out.
    package var dropsOfKeptRollouts = 0
    /// The most sequences that ran at once.
    package var mostRunning = 0
}
