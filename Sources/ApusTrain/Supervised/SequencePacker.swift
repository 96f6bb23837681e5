/// Fills packs of limited size with whole sequences: longest first, each into the fullest pack that has room (TRL's `bfd`).
enum SequencePacker {
    /// - Parameter lengths: of the sequences, none above `limit`.
    /// - Returns: packs of indices; the sequences of a pack are in descending order of length.
    static func packs(_ lengths: [Int], limit: Int) -> [[Int]] {
        var packs: [[Int]] = []
        // Packs by the room that is left in them.
        var byRoom = [[Int]](repeating: [], count: limit + 1)
        let order = lengths.indices.sorted { (lengths[$1], $0) < (lengths[$0], $1) }
        for index in order {
            let length = lengths[index]
            let room = length <= limit ? (length...limit).first { !byRoom[$0].isEmpty } : nil
            if let room, let pack = byRoom[room].popLast() {
                packs[pack].append(index)
                byRoom[room - length].append(pack)
            } else {
                packs.append([index])
                byRoom[max(limit - length, 0)].append(packs.count - 1)
            }
        }
        return packs
    }
}
