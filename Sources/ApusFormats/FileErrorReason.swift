import Foundation

/// Why a file could not be read or written, in a few words: Foundation's own descriptions are dictionaries of many lines.
package func fileErrorReason(_ error: any Error) -> String {
    switch error {
    case let error as CocoaError:
        if let cause = error.underlying as? POSIXError { return fileErrorReason(cause) }
        switch error.code {
        case .fileWriteOutOfSpace: return "no space left on the device"
        case .fileReadNoPermission, .fileWriteNoPermission: return "permission denied"
        case .fileReadNoSuchFile, .fileNoSuchFile: return "no such file or folder"
        default: return error.localizedDescription
        }
    case let error as POSIXError where error.code == .ENOSPC: return "no space left on the device"
    case let error as POSIXError: return String(cString: strerror(error.code.rawValue)).lowercased()
    case let error as DecodingError: return FormatError.summary(of: error)
    default: return "\(error)"
    }
}
