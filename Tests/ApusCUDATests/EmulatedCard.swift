import Testing

/// There is one emulated card in a process, and tests reset it: they run one after another.
@Suite(.serialized) enum EmulatedCard {}
