// SentencePiece's unigram tokenizer, ids and rounding as in the `sentencepiece` package.
// A port of albert_tf/text/unigram.py and charsmap.py. Text is an array of code points: Swift's
// strings take letters for equal that are written with other code points.

import Foundation

let wordStart: UInt32 = 0x2581  // "▁"
let space: UInt32 = 0x20

/// What is wrong with a vocabulary.
struct VocabularyError: Error {
  let message: String
}

/// A piece, and the code points of the normalized text that it covers.
struct Piece {
  let id: Int
  let range: Range<Int>
}

/// Normalized text; and for each of its code points, and its end, where that begins in the text.
struct Normalized {
  var points: [UInt32]
  var places: [Int]
}

/// Cuts text into the pieces of a `.model` file.
struct UnigramModel {
  let pieces: [[UInt32]]
  let ids: [[UInt32]: Int]
  let unknownId: Int
  private let types: [Int]
  private let charsmap: Charsmap
  private let squeezes: Bool
  private var scores: [[UInt32]: Double] = [:]
  private let longest: Int
  private let unknownScore: Float

  private static let normal = 1
  private static let unknown = 2
  private static let userDefined = 4
  /// What the package takes off the worst score for a character that is no piece.
  private static let unknownPenalty = 10.0

  init(proto: [UInt8]) throws {
    let fields = try fieldsOf(proto)
    let entries = try fields.filter { $0.number == 1 }.map { try fieldsOf($0.bytes) }
    let contents = entries.map { last($0, 1)?.bytes ?? [] }
    pieces = contents.map { pointsOf(String(decoding: $0, as: UTF8.self)) }
    types = entries.map { last($0, 3).map { Int($0.value) } ?? UnigramModel.normal }
    let given = entries.map { last($0, 2)?.float ?? 0 }
    ids = Dictionary(zip(pieces, pieces.indices), uniquingKeysWith: { $1 })
    guard let unknownId = types.firstIndex(of: UnigramModel.unknown) else {
      throw VocabularyError(message: "The vocabulary must be a SentencePiece .model file.")
    }
    self.unknownId = unknownId
    let normalizer = try fieldsOf(last(fields, 3)?.bytes ?? [])
    squeezes = last(normalizer, 4)?.value != 0
    let normal = pieces.indices.filter { [types] in types[$0] == UnigramModel.normal }
    let best = normal.map { Double(given[$0]) }.reduce(Double(Float.leastNormalMagnitude), max)
    let worst = normal.map { Double(given[$0]) }.min() ?? 0
    unknownScore = Float(worst - UnigramModel.unknownPenalty)
    var symbols: [[UInt8]] = []
    for id in normal { scores[pieces[id]] = Double(given[id]) }
    for id in pieces.indices where types[id] == UnigramModel.userDefined {
      // A symbol of the user is liked so well that it is always taken.
      scores[pieces[id]] = Double(contents[id].count) * best - 0.1
      symbols.append(contents[id])
    }
    longest = scores.keys.map { $0.count }.max() ?? 1
    charsmap = Charsmap(content: last(normalizer, 2)?.bytes ?? [], symbols: symbols)
  }

  func isNormal(_ id: Int) -> Bool {
    return types[id] == UnigramModel.normal
  }

  /// Applies the rules of the file; spaces become "▁", one stands in front.
  func normalize(_ text: [UInt32]) -> Normalized {
    var chunks = charsmap.chunks(text)[...]
    if squeezes { chunks = chunks.drop { $0.becomes == [space] } }
    guard let first = chunks.first else { return Normalized(points: [], places: [text.count]) }
    var found = Normalized(points: [wordStart], places: [first.begin])
    var afterSpace = squeezes
    for chunk in chunks {
      var becomes = chunk.becomes[...]
      if afterSpace { becomes = becomes.drop { $0 == space } }
      if let last = becomes.last {
        found.points += becomes.map { $0 == space ? wordStart : $0 }
        found.places += becomes.map { _ in chunk.begin }
        afterSpace = last == space
      }
      afterSpace = afterSpace && squeezes
    }
    found.places.append(text.count)
    while squeezes && found.points.last == wordStart {
      found.points.removeLast()
      found.places.removeLast()
    }
    return found
  }

  /// Cuts normalized text into the likeliest pieces; of equal scores the first found wins.
  func cut(_ normalized: [UInt32]) -> [Piece] {
    let size = normalized.count
    var best = [Float?](repeating: nil, count: size + 1)
    var cameFrom = [Piece?](repeating: nil, count: size + 1)
    best[0] = 0
    for start in 0..<size {
      let soFar = best[start]!
      var single = false
      for end in (start + 1)...min(size, start + longest) {
        let piece = Array(normalized[start..<end])
        guard let own = scores[piece], let id = ids[piece] else { continue }
        single = single || end == start + 1
        // Symbols of the user are added in 64 bits, pieces in 32.
        var score = own + Double(soFar)
        if isNormal(id) { score = Double(Float(score)) }
        if best[end].map({ score > Double($0) }) ?? true {
          best[end] = Float(score)
          cameFrom[end] = Piece(id: id, range: start..<end)
        }
      }
      let score = Float(Double(unknownScore) + Double(soFar))
      if !single && (best[start + 1].map { score > $0 } ?? true) {
        best[start + 1] = score
        cameFrom[start + 1] = Piece(id: unknownId, range: start..<(start + 1))
      }
    }
    return walkedBack(cameFrom)
  }

  private func walkedBack(_ cameFrom: [Piece?]) -> [Piece] {
    var found: [Piece] = []
    var end = cameFrom.count - 1
    while end > 0 {
      let piece = cameFrom[end]!
      if piece.id == unknownId, let next = found.last, next.id == unknownId {
        // A run of unknown characters is one piece.
        let range = piece.range.lowerBound..<next.range.upperBound
        found[found.count - 1] = Piece(id: unknownId, range: range)
      } else {
        found.append(piece)
      }
      end = piece.range.lowerBound
    }
    return found.reversed()
  }
}

/// The normalization rules: a double array trie (Darts-clone) over UTF-8, then their results.
private struct Charsmap {
  private var units: [UInt32] = []
  private var results: [UInt8] = []
  private let symbols: [[UInt8]]

  init(content: [UInt8], symbols: [[UInt8]]) {
    self.symbols = symbols
    if content.isEmpty { return }
    let size = Int(littleEndian(content, 0))
    units = (0..<(size / 4)).map { littleEndian(content, 4 + 4 * $0) }
    results = Array(content[(4 + size)...])
  }

  /// Divides a text into the parts that rules apply to: what each becomes, and where it begins.
  func chunks(_ text: [UInt32]) -> [(becomes: [UInt32], begin: Int)] {
    let bytes = Array(stringOf(text).utf8)
    var found: [(becomes: [UInt32], begin: Int)] = []
    var (place, number) = (0, 0)
    while place < bytes.count {
      var size = symbols.filter { bytes[place...].starts(with: $0) }.map { $0.count }.max() ?? 0
      var becomes: [UInt32]?
      if size == 0, let rule = longestRule(bytes, place) {
        size = rule.size
        becomes = result(rule.value)
      }
      if size == 0 { size = numBytes(bytes[place]) }
      let part = pointsOf(String(decoding: bytes[place..<(place + size)], as: UTF8.self))
      found.append((becomes ?? part, number))
      place += size
      number += part.count
    }
    return found
  }

  private func longestRule(_ bytes: [UInt8], _ start: Int) -> (value: Int, size: Int)? {
    guard let root = units.first else { return nil }
    var found: (value: Int, size: Int)?
    var node = offset(root)
    for place in start..<bytes.count {
      node ^= Int(bytes[place])
      let unit = units[node]
      if unit & 0x8000_00FF != UInt32(bytes[place]) { break }
      node ^= offset(unit)
      if (unit >> 8) & 1 == 1 {
        found = (Int(units[node] & 0x7FFF_FFFF), place + 1 - start)
      }
    }
    return found
  }

  private func result(_ start: Int) -> [UInt32] {
    return pointsOf(String(decoding: results[start...].prefix { $0 != 0 }, as: UTF8.self))
  }

  private func offset(_ unit: UInt32) -> Int {
    return Int((unit >> 10) << ((unit & 0x200) >> 6))
  }

  private func numBytes(_ first: UInt8) -> Int {
    return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
  }
}

/// The code points of a text.
func pointsOf(_ text: String) -> [UInt32] {
  return text.unicodeScalars.map { $0.value }
}

/// A text of code points.
func stringOf(_ points: [UInt32]) -> String {
  var scalars = String.UnicodeScalarView()
  scalars.append(contentsOf: points.map { Unicode.Scalar($0) ?? "\u{FFFD}" })
  return String(scalars)
}

private struct Field {
  let number: Int
  var value: UInt64 = 0
  var bytes: [UInt8] = []

  var float: Float { return Float(bitPattern: littleEndian(bytes, 0)) }
}

private func last(_ fields: [Field], _ number: Int) -> Field? {
  return fields.last { $0.number == number }
}

private func littleEndian(_ bytes: [UInt8], _ place: Int) -> UInt32 {
  return (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << (8 * UInt32($1)) }
}

/// The fields of a protobuf message.
private func fieldsOf(_ content: [UInt8]) throws -> [Field] {
  let error = VocabularyError(message: "The vocabulary is no SentencePiece file.")
  var place = 0

  func varint() throws -> UInt64 {
    var (value, shift): (UInt64, UInt64) = (0, 0)
    while place < content.count && shift < 64 {
      let byte = content[place]
      value |= UInt64(byte & 127) << shift
      place += 1
      shift += 7
      if byte < 128 { return value }
    }
    throw error
  }

  var found: [Field] = []
  while place < content.count {
    let key = Int(try varint())
    let size: Int
    switch key & 7 {
    case 0:
      found.append(Field(number: key >> 3, value: try varint()))
      continue
    case 1: size = 8
    case 2: size = Int(try varint())
    case 5: size = 4
    default: throw error
    }
    guard size <= content.count - place else { throw error }
    found.append(Field(number: key >> 3, bytes: Array(content[place..<(place + size)])))
    place += size
  }
  return found
}
