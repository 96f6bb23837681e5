import ApusFormats
import ApusTables
import Foundation

/// Prints the rows of tables for the script that compares with other readers. Each line of input is a path, and each of
/// output `{"columns": [[name, type], …], "rows": […]}` or `{"error": …}`. With a path as argument, the rows are counted
/// and held instead, which is what takes time and memory in a run.
func answer(to path: String) -> JSONValue {
    do throws(DataError) {
        var reader = try RowFile.reader(path)
        var rows: [JSONValue] = []
        while let row = try reader.next() { rows.append(row.value) }
        if let count = reader.rowCount, count != rows.count { return ["error": "another count of rows"] }
        return ["columns": .array(columns(reader)), "rows": .array(rows)]
    } catch {
        return ["error": .string(error.description), "code": .string("\(error.code)")]
    }
}

func columns(_ reader: any RowReader) -> [JSONValue] {
    let columns = (reader as? ParquetReader)?.columns ?? (reader as? ArrowReader)?.columns ?? []
    return columns.map { [.string($0.name), .string($0.type)] }
}

if CommandLine.arguments.count > 1 {
    let rows = answer(to: CommandLine.arguments[1])
    print(rows["rows"]?.array?.count ?? rows)
} else {
    while let path = readLine() {
        // Whoever asked waits for the line.
        FileHandle.standardOutput.write(Data((JSONWriter.ordered.write(answer(to: path)) + "\n").utf8))
    }
}
