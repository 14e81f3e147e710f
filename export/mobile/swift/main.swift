// Tokenizes lines, for the tests of this port: texts are UTF-8 in hexadecimal digits.
//
//   tokenize VOCABULARY LOWERCASE KEEP_ACCENTS [LIMIT WIDTH]
//
// Prints `id:start:end ...` for each line; with LIMIT and WIDTH a row for a line of one text or two.

import Foundation

func fromHex(_ digits: Substring) -> String {
  let values = digits.utf8.map { UInt8($0 < 0x3A ? $0 - 0x30 : $0 - 0x57) }
  let bytes = stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
  return String(decoding: bytes, as: UTF8.self)
}

let arguments = CommandLine.arguments
let vocabulary = try Data(contentsOf: URL(fileURLWithPath: arguments[1]))
let tokenizer = try AlbertTokenizer(
  vocabulary: [UInt8](vocabulary), lowercase: arguments[2] == "1", keepAccents: arguments[3] == "1")
while let line = readLine() {
  let texts = line.split(separator: "\t", omittingEmptySubsequences: false).map(fromHex)
  if arguments.count > 4 {
    let second = texts.count > 1 ? texts[1] : nil
    let (limit, width) = (Int(arguments[4])!, Int(arguments[5])!)
    let row = tokenizer.row(texts[0], second, limit: limit, width: width)
    let columns = [row.tokenIds, row.segmentIds].map { $0.map(String.init).joined(separator: " ") }
    print(columns.joined(separator: "\t"), row.length, separator: "\t")
  } else {
    let tokens = tokenizer.tokenize(texts[0])
    print(tokens.map { "\($0.id):\($0.start):\($0.end)" }.joined(separator: " "))
  }
}
