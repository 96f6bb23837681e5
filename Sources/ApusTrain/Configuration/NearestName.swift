/// The number of single-character insertions, deletions and replacements between two names (Levenshtein).
package func editDistance(_ first: String, _ second: String) -> Int {
    let first = Array(first.utf8)
    let second = Array(second.utf8)
    var row = Array(0...second.count)
    for (i, left) in first.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, right) in second.enumerated() {
            let above = row[j + 1]
            row[j + 1] = min(above + 1, row[j] + 1, diagonal + (left == right ? 0 : 1))
            diagonal = above
        }
    }
    return row[second.count]
}

/// The candidate closest to `name`, when it is close enough to be a slip of the hand: a third of its letters, at least 2.
/// Of equally close ones, one that only goes on after `name`.
package func nearestName(to name: String, among candidates: some Sequence<String>) -> String? {
    let limit = max(2, name.utf8.count / 3)
    return candidates.map { (name: $0, distance: editDistance(name, $0), rank: $0.hasPrefix(name) ? 0 : 1) }
        .filter { $0.distance <= limit }
        .min { ($0.distance, $0.rank, $0.name) < ($1.distance, $1.rank, $1.name) }?
        .name
}
