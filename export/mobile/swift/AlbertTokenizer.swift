// Raw text to the rows that a TFLite file of albert_tf reads.
// A port of albert_tf/text/device_tokenizer.py and albert_tf/exporting/light/rows.py.

import Foundation

/// A token, and which code points of the raw text it covers, end exclusive.
struct Token {
  let id: Int
  let start: Int
  let end: Int
}

/// One row of ids, filled up to the width of the file; the first `length` of them count.
struct Row {
  let tokenIds: [Int32]
  let segmentIds: [Int32]
  let length: Int32
}

/// Cleans text, cuts it into pieces, and says where each comes from.
///
/// `vocabulary` is the file `vocabulary.model` inside of the TFLite file; `lowercase` and
/// `keepAccents` stand in `albert.json`, under `text`.
struct AlbertTokenizer {
  let model: UnigramModel
  let startId: Int
  let endId: Int
  let padId: Int
  private let lowercase: Bool
  private let keepAccents: Bool
  private var splits: [Int: [(id: Int, size: Int)]] = [:]

  init(vocabulary: [UInt8], lowercase: Bool = true, keepAccents: Bool = false) throws {
    let model = try UnigramModel(proto: vocabulary)
    func special(_ piece: String) throws -> Int {
      guard let id = model.ids[pointsOf(piece)] else {
        throw VocabularyError(message: "The vocabulary lacks the special token \(piece).")
      }
      return id
    }
    self.model = model
    self.lowercase = lowercase
    self.keepAccents = keepAccents
    startId = try special("[CLS]")
    endId = try special("[SEP]")
    padId = try special("<pad>")
    splits = digitCommaSplits()
  }

  /// Ids of raw text.
  func encode(_ text: String) -> [Int] {
    return tokenize(text).map { $0.id }
  }

  /// Tokens of raw text.
  func tokenize(_ text: String) -> [Token] {
    let cleaned = Cleaned(text, lowercase: lowercase, keepAccents: keepAccents)
    let normalized = model.normalize(cleaned.points)
    let places = normalized.places
    return split(model.cut(normalized.points)).map { piece in
      let (first, behind) = (piece.range.lowerBound, piece.range.upperBound)
      let leads = normalized.points[first] == wordStart
      let stop = cleaned.ends[max(places[behind] - 1, places[behind - 1])]
      if leads && piece.range.count == 1 {
        // A leading "▁" is no text: alone it stands, empty, where the next piece starts.
        let isLast = behind == normalized.points.count
        let place = isLast ? stop : cleaned.starts[places[behind]]
        return Token(id: piece.id, start: place, end: place)
      }
      let start = cleaned.starts[places[min(first + (leads ? 1 : 0), behind - 1)]]
      return Token(id: piece.id, start: start, end: stop)
    }
  }

  /// `[CLS] first [SEP]`, or `[CLS] first [SEP] second [SEP]`.
  ///
  /// Of what is longer than `limit` the end is cut; of two texts that of the longer one, of the
  /// second on a tie. `limit` is the smaller one of `text.sequence_length` and `sizes.seq_len`,
  /// `width` is `sizes.seq_len`.
  func row(_ first: String, _ second: String? = nil, limit: Int, width: Int) -> Row {
    var ids = encode(first)
    var numFirst = 0
    if let second = second.map(encode) {
      let room = limit - 3
      let largerHalf = (room + 1) / 2
      let kept = max(room - second.count, largerHalf)
      let keptSecond = max(room - ids.count, room - largerHalf)
      let head = [startId] + ids.prefix(kept) + [endId]
      numFirst = head.count
      ids = head + second.prefix(keptSecond) + [endId]
    } else {
      ids = [startId] + ids.prefix(limit - 2) + [endId]
      numFirst = ids.count
    }
    let places = 0..<width
    return Row(
      tokenIds: places.map { Int32($0 < ids.count ? ids[$0] : padId) },
      segmentIds: places.map { $0 >= numFirst && $0 < ids.count ? 1 : 0 },
      length: Int32(ids.count))
  }

  /// Pieces with the digit-comma rule: "▁3," is "▁3" and ",".
  private func split(_ pieces: [Piece]) -> [Piece] {
    return pieces.flatMap { piece -> [Piece] in
      guard let parts = splits[piece.id] else { return [piece] }
      var start = piece.range.lowerBound
      return parts.map { part in
        defer { start += part.size }
        return Piece(id: part.id, range: start..<(start + part.size))
      }
    }
  }

  private func digitCommaSplits() -> [Int: [(id: Int, size: Int)]] {
    let comma: UInt32 = 0x2C
    var table: [Int: [(id: Int, size: Int)]] = [:]
    for (id, piece) in model.pieces.enumerated() where model.isNormal(id) {
      guard piece.count > 1, piece.last == comma, isDigit(piece[piece.count - 2]) else { continue }
      let normalized = model.normalize(piece.dropLast().filter { $0 != wordStart }).points
      var parts = model.cut(normalized).map { Array(normalized[$0.range]) }
      if piece[0] != wordStart && parts[0][0] == wordStart {
        let rest = Array(parts[0].dropFirst())
        parts = (rest.isEmpty ? [] : [rest]) + parts.dropFirst()
      }
      parts.append([comma])
      table[id] = parts.map { (model.ids[$0] ?? model.unknownId, $0.count) }
    }
    return table
  }
}

/// Cleaned text; and for each of its code points those of the raw text that it comes from.
struct Cleaned {
  private(set) var points: [UInt32] = []
  private(set) var starts: [Int] = []
  private(set) var ends: [Int] = []

  /// White space becomes single spaces and vanishes at the ends, characters take their
  /// compatibility decomposition (NFKD), combining marks go, letters become small.
  init(_ text: String, lowercase: Bool, keepAccents: Bool) {
    let raw = pointsOf(text)
    let wordsEnd = (raw.lastIndex { !isSpace($0) } ?? -1) + 1
    var pendingSpace: Int?
    for place in 0..<wordsEnd {
      if isSpace(raw[place]) {
        if !points.isEmpty && pendingSpace == nil { pendingSpace = place }
        continue
      }
      if let space = pendingSpace {
        append(0x20, space)
        pendingSpace = nil
      }
      let letters = decomposed([raw[place]]).filter { keepAccents || !isMark($0) }
      if letters.isEmpty {
        // It was a mark: the characters before it cover it, too.
        var number = ends.count - 1
        while number >= 0 && ends[number] == place {
          ends[number] = place + 1
          number -= 1
        }
      }
      for letter in letters { append(letter, place) }
    }
    // Marks of neighbours change places.
    if keepAccents { points = decomposed(points) }
    if lowercase { points = small(points) }
  }

  private mutating func append(_ point: UInt32, _ place: Int) {
    points.append(point)
    starts.append(place)
    ends.append(place + 1)
  }
}

private func properties(_ point: UInt32) -> Unicode.Scalar.Properties {
  return (Unicode.Scalar(point) ?? "\u{FFFD}").properties
}

private func decomposed(_ points: [UInt32]) -> [UInt32] {
  if points.allSatisfy({ $0 < 0x80 }) { return points }
  return pointsOf(stringOf(points).decomposedStringWithCompatibilityMapping)
}

private func isMark(_ point: UInt32) -> Bool {
  return properties(point).canonicalCombiningClass != .notReordered
}

private func isDigit(_ point: UInt32) -> Bool {
  let kind = properties(point).numericType
  return kind == .decimal || kind == .digit
}

/// White space as Python has it.
private func isSpace(_ point: UInt32) -> Bool {
  switch point {
  case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A: return true
  case 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: return true
  default: return false
  }
}

/// Small letters; a capital sigma at the end of a word becomes "ς" (Unicode's Final_Sigma).
private func small(_ points: [UInt32]) -> [UInt32] {
  let sigma: UInt32 = 0x3A3

  func isCased(_ found: UInt32?) -> Bool {
    return found.map { properties($0).isCased } ?? false
  }

  return points.indices.flatMap { place -> [UInt32] in
    if points[place] != sigma { return pointsOf(properties(points[place]).lowercaseMapping) }
    let before = points[..<place].last { !properties($0).isCaseIgnorable }
    let after = points[(place + 1)...].first { !properties($0).isCaseIgnorable }
    return [isCased(before) && !isCased(after) ? 0x3C2 : 0x3C3]
  }
}
