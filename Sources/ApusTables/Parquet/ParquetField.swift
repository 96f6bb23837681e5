/// A column of a file as its rows show it: levels of the schema that only say how often something stands are folded away.
///
/// A value stands at a definition level: how many of the optional and repeated fields above and at it are there.
struct ParquetField {
    /// What a field holds.
    indirect enum Kind {
        /// Values, of the leaf with this number.
        case value(leaf: Int)
        case object([ParquetField])
        /// Elements, which are there from `definition` on and follow one another at `repetition`.
        case list(element: ParquetField, definition: Int, repetition: Int)
    }

    let name: String
    let kind: Kind
    /// The level from which on the field is no null.
    let definition: Int
    /// The leaves below.
    let leaves: Range<Int>

    /// What people call the type: "list of {role: text, content: text}".
    func typeName(_ all: [ParquetLeaf]) -> String {
        switch kind {
        case .value(let leaf): all[leaf].type.name
        case .object(let fields):
            "{" + fields.map { "\($0.name.inMessage): \($0.typeName(all))" }.joined(separator: ", ") + "}"
        case .list(let element, _, _): "list of \(element.typeName(all))"
        }
    }
}

/// A column of values in the file.
struct ParquetLeaf {
    /// The names above and of the leaf, for messages: "messages.list.element.role".
    let path: String
    let physicalType: PhysicalType
    /// Bytes of a value of fixed length.
    let length: Int
    let type: ColumnType
    /// The highest levels: a value that is there has this definition.
    let definition: Int
    let repetition: Int
}

/// The columns of a file.
struct ParquetSchema {
    private(set) var fields: [ParquetField] = []
    private(set) var leaves: [ParquetLeaf] = []

    init(_ elements: [SchemaElement]) throws(TableFailure) {
        var builder = SchemaBuilder(elements: elements)
        let root = try builder.node(depth: 0, definition: 0, repetition: 0, path: nil)
        guard builder.next == elements.count else {
            throw .damaged(wanted: "a schema of \(builder.next) fields", found: "\(elements.count)")
        }
        leaves = builder.leaves
        fields = root.children.map { $0.field }
    }
}

/// A node of the schema with its levels and its children.
private struct SchemaNode {
    let element: SchemaElement
    let definition: Int
    let repetition: Int
    let leaves: Range<Int>
    let children: [SchemaNode]

    /// The node as a field of its parent: what repeats outside a list is a list by itself, which is never null.
    var field: ParquetField {
        guard element.repetition == .repeated else { return content(named: element.name) }
        return list(named: element.name, of: content(named: element.name), repeating: self, definition: definition - 1)
    }

    /// What one occurrence of the node is.
    private func content(named name: String) -> ParquetField {
        guard !children.isEmpty else {
            let kind = ParquetField.Kind.value(leaf: leaves.lowerBound)
            return ParquetField(name: name, kind: kind, definition: definition, leaves: leaves)
        }
        if let repeated = children.first, children.count == 1, repeated.element.repetition == .repeated {
            switch element.group {
            case .list:
                let element = repeated.listElement(of: self)
                return list(named: name, of: element, repeating: repeated, definition: definition)
            case .map where repeated.children.count == 1 || repeated.children.count == 2:
                return list(named: name, of: repeated.mapEntry, repeating: repeated, definition: definition)
            default: break
            }
        }
        return ParquetField(
            name: name, kind: .object(children.map { $0.field }), definition: definition, leaves: leaves)
    }

    /// The element of a list whose repeated field this is: that field itself in files of old writers, else its only child
    /// (parquet-format, LogicalTypes.md, "Backward-compatibility rules").
    private func listElement(of list: SchemaNode) -> ParquetField {
        let name = element.name
        guard children.count == 1, name != "array", name != list.element.name + "_tuple", !element.isAnnotated,
            children[0].element.repetition != .repeated
        else { return content(named: name) }
        return children[0].field
    }

    /// Keys and values have these names whatever the file calls them.
    private var mapEntry: ParquetField {
        let members = zip(children, ["key", "value"]).map { child, name in
            let field = child.field
            return ParquetField(name: name, kind: field.kind, definition: field.definition, leaves: field.leaves)
        }
        return ParquetField(name: element.name, kind: .object(members), definition: definition, leaves: leaves)
    }

    private func list(
        named name: String, of element: ParquetField, repeating node: SchemaNode, definition: Int
    ) -> ParquetField {
        ParquetField(
            name: name,
            kind: .list(element: element, definition: node.definition, repetition: node.repetition),
            definition: definition, leaves: leaves)
    }
}

/// Makes a tree of the fields, which stand each before its children.
private struct SchemaBuilder {
    let elements: [SchemaElement]
    private(set) var leaves: [ParquetLeaf] = []
    private(set) var next = 0

    init(elements: [SchemaElement]) { self.elements = elements }

    /// The next node with all below it; `path` is nil for the root, which is no field.
    mutating func node(
        depth: Int, definition: Int, repetition: Int, path: String?
    ) throws(TableFailure) -> SchemaNode {
        guard next < elements.count else {
            throw .damaged(wanted: "more fields of the schema", found: "\(elements.count) in all")
        }
        guard depth <= TableLimits.depth else {
            throw .unsupported("found columns that nest deeper than \(TableLimits.depth)", "write flatter ones")
        }
        let element = elements[next]
        next += 1
        let isRoot = depth == 0
        let definition = definition + (isRoot || element.repetition == .required ? 0 : 1)
        let repetition = repetition + (isRoot || element.repetition != .repeated ? 0 : 1)
        // Paths are for messages: names of any length at every depth must not add up.
        let path = isRoot ? nil : String(((path.map { $0 + "." } ?? "") + element.name).prefix(256))
        let first = leaves.count
        var children: [SchemaNode] = []
        if element.physicalType == nil || isRoot {
            guard element.childCount > 0 || isRoot else {
                throw .unsupported(
                    "found the struct '\(element.name.inMessage)' without fields", "leave the column out")
            }
            for _ in 0..<element.childCount {
                children.append(
                    try node(depth: depth + 1, definition: definition, repetition: repetition, path: path))
            }
        } else {
            leaves.append(try leaf(element, path: path ?? "", definition, repetition))
        }
        return SchemaNode(
            element: element, definition: definition, repetition: repetition, leaves: first..<leaves.count,
            children: children)
    }

    private func leaf(
        _ element: SchemaElement, path: String, _ definition: Int, _ repetition: Int
    ) throws(TableFailure) -> ParquetLeaf {
        let physical = element.physicalType ?? .bytes
        guard element.childCount == 0 else {
            throw .damaged(wanted: "a field with values or with children", found: "'\(path.inMessage)' with both")
        }
        var length = element.length
        if physical == .int96 { length = 12 }
        guard physical != .fixedBytes || length > 0 else {
            throw .unsupported("found values of 0 bytes in column '\(path.inMessage)'", "leave the column out")
        }
        let logical = element.logicalType.flatMap { physical.canHold($0, length: length) ? $0 : nil }
        return ParquetLeaf(
            path: path, physicalType: physical, length: length, type: logical ?? physical.columnType,
            definition: definition, repetition: repetition)
    }
}
