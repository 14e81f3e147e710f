// Raw text to the rows that a TFLite file of albert_tf reads.
// A port of albert_tf/text/device_tokenizer.py and albert_tf/exporting/light/rows.py.

package albert

import java.text.Normalizer
import java.util.Locale

private const val COMMA = 0x2C

/** A token, and which code points of the raw text it covers, end exclusive. */
data class Token(val id: Int, val start: Int, val end: Int)

/** One row of ids, filled up to the width of the file; the first `length` of them count. */
class Row(val tokenIds: IntArray, val segmentIds: IntArray, val length: Int)

/**
 * Cleans text, cuts it into pieces, and says where each comes from.
 *
 * `vocabulary` is the file `vocabulary.model` inside of the TFLite file; `lowercase` and
 * `keepAccents` stand in `albert.json`, under `text`.
 */
class AlbertTokenizer(
    vocabulary: ByteArray,
    private val lowercase: Boolean = true,
    private val keepAccents: Boolean = false
) {
    private class Part(val id: Int, val size: Int)

    val model = UnigramModel(vocabulary)
    val startId = special("[CLS]")
    val endId = special("[SEP]")
    val padId = special("<pad>")
    private val splits = digitCommaSplits()

    private fun special(piece: String) = requireNotNull(model.ids[piece]) {
        "The vocabulary lacks the special token $piece."
    }

    /** Ids of raw text. */
    fun encode(text: String): List<Int> = tokenize(text).map { it.id }

    /** Tokens of raw text. */
    fun tokenize(text: String): List<Token> {
        val cleaned = Cleaned.of(repaired(text), lowercase, keepAccents)
        val normalized = model.normalize(cleaned.points)
        val places = normalized.places
        val tokens = ArrayList<Token>()
        for (piece in split(model.cut(normalized.points))) {
            val leads = normalized.points[piece.start] == WORD_START
            val first = minOf(if (leads) piece.start + 1 else piece.start, piece.end - 1)
            var start = cleaned.starts[places[first]]
            val stop = cleaned.ends[maxOf(places[piece.end] - 1, places[piece.end - 1])]
            var end = stop
            if (leads && piece.end - piece.start == 1) {
                // A leading "▁" is no text: alone it stands, empty, where the next piece starts.
                val isLast = piece.end == normalized.points.size
                start = if (isLast) stop else cleaned.starts[places[piece.end]]
                end = start
            }
            tokens.add(Token(piece.id, start, end))
        }
        return tokens
    }

    /**
     * `[CLS] first [SEP]`, or `[CLS] first [SEP] second [SEP]`.
     *
     * Of what is longer than `limit` the end is cut; of two texts that of the longer one, of the
     * second on a tie. `limit` is the smaller one of `text.sequence_length` and `sizes.seq_len`,
     * `width` is `sizes.seq_len`.
     */
    fun row(first: String, second: String?, limit: Int, width: Int = limit): Row {
        val a = encode(first)
        val ids = ArrayList<Int>()
        val numFirst: Int
        if (second == null) {
            ids.add(startId)
            ids.addAll(a.take(limit - 2))
            ids.add(endId)
            numFirst = ids.size
        } else {
            val b = encode(second)
            val room = limit - 3
            val largerHalf = (room + 1) / 2
            ids.add(startId)
            ids.addAll(a.take(maxOf(room - b.size, largerHalf)))
            ids.add(endId)
            numFirst = ids.size
            ids.addAll(b.take(maxOf(room - a.size, room - largerHalf)))
            ids.add(endId)
        }
        val tokenIds = IntArray(width) { if (it < ids.size) ids[it] else padId }
        val segmentIds = IntArray(width) { if (it in numFirst until ids.size) 1 else 0 }
        return Row(tokenIds, segmentIds, ids.size)
    }

    /** Pieces with the digit-comma rule: "▁3," is "▁3" and ",". */
    private fun split(pieces: List<Piece>): List<Piece> {
        val found = ArrayList<Piece>()
        for (piece in pieces) {
            val parts = splits[piece.id]
            if (parts == null) found.add(piece)
            var start = piece.start
            for (part in parts ?: emptyList<Part>()) {
                found.add(Piece(part.id, start, start + part.size))
                start += part.size
            }
        }
        return found
    }

    private fun digitCommaSplits(): Map<Int, List<Part>> {
        val table = HashMap<Int, List<Part>>()
        for ((id, piece) in model.pieces.withIndex()) {
            val points = pointsOf(piece)
            if (points.size < 2 || points.last() != COMMA || !model.isNormal(id)) continue
            if (!isDigit(points[points.size - 2])) continue
            val body = points.dropLast(1).filter { it != WORD_START }.toIntArray()
            val normalized = model.normalize(body).points
            var parts = model.cut(normalized).map { normalized.copyOfRange(it.start, it.end) }
            if (points[0] != WORD_START && parts[0][0] == WORD_START) {
                val rest = parts[0].copyOfRange(1, parts[0].size)
                parts = (if (rest.isEmpty()) emptyList() else listOf(rest)) + parts.drop(1)
            }
            table[id] = (parts + listOf(intArrayOf(COMMA))).map {
                Part(model.ids[String(it, 0, it.size)] ?: model.unknownId, it.size)
            }
        }
        return table
    }
}

/** Cleaned text; and for each of its code points those of the raw text that it comes from. */
class Cleaned(val points: IntArray, val starts: IntArray, val ends: IntArray) {
    companion object {
        /**
         * White space becomes single spaces and vanishes at the ends, characters take their
         * compatibility decomposition (NFKD), combining marks go, letters become small.
         */
        fun of(text: IntArray, lowercase: Boolean, keepAccents: Boolean): Cleaned {
            val points = ArrayList<Int>()
            val starts = ArrayList<Int>()
            val ends = ArrayList<Int>()
            var wordsEnd = text.size
            while (wordsEnd > 0 && isSpace(text[wordsEnd - 1])) wordsEnd--
            var pendingSpace = -1
            for (place in 0 until wordsEnd) {
                if (isSpace(text[place])) {
                    if (points.isNotEmpty() && pendingSpace < 0) pendingSpace = place
                    continue
                }
                if (pendingSpace >= 0) {
                    points.add(SPACE)
                    starts.add(pendingSpace)
                    ends.add(pendingSpace + 1)
                    pendingSpace = -1
                }
                val letters = decomposed(text[place]).filter { keepAccents || !isMark(it) }
                if (letters.isEmpty()) {
                    // It was a mark: the characters before it cover it, too.
                    var number = ends.size - 1
                    while (number >= 0 && ends[number] == place) ends[number--] = place + 1
                }
                for (letter in letters) {
                    points.add(letter)
                    starts.add(place)
                    ends.add(place + 1)
                }
            }
            var cleaned = String(points.toIntArray(), 0, points.size)
            // Marks of neighbours change places.
            if (keepAccents) cleaned = Normalizer.normalize(cleaned, Normalizer.Form.NFKD)
            @Suppress("PLATFORM_CLASS_MAPPED_TO_KOTLIN")
            if (lowercase) cleaned = (cleaned as java.lang.String).toLowerCase(Locale.ROOT)
            return Cleaned(pointsOf(cleaned), starts.toIntArray(), ends.toIntArray())
        }
    }
}

/** The code points of a text; halves of surrogate pairs become U+FFFD. */
fun repaired(text: String): IntArray =
    IntArray(text.codePointCount(0, text.length)).also { points ->
        for ((number, point) in pointsOf(text).withIndex()) {
            points[number] = if (point in 0xD800..0xDFFF) 0xFFFD else point
        }
    }

private fun decomposed(point: Int): IntArray {
    if (point < 0x80) return intArrayOf(point)
    val letter = String(intArrayOf(point), 0, 1)
    return pointsOf(Normalizer.normalize(letter, Normalizer.Form.NFKD))
}

/**
 * Whether a decomposed character has a combining class. Java does not tell, but its normalizer
 * moves marks of lower classes before U+0345, whose class is the highest.
 */
private fun isMark(point: Int): Boolean {
    if (point < 0x300) return false
    val last = String(intArrayOf(0x345, point), 0, 2)
    return point == 0x345 || Normalizer.normalize(last, Normalizer.Form.NFD).codePointAt(0) != 0x345
}

/** White space as Python has it. */
private fun isSpace(point: Int) = when (point) {
    in 0x09..0x0D, in 0x1C..0x20, 0x85, 0xA0, 0x1680, in 0x2000..0x200A -> true
    0x2028, 0x2029, 0x202F, 0x205F, 0x3000 -> true
    else -> false
}

/** Digits as Python has them, of those that normalized text can have. */
private fun isDigit(point: Int) = when (point) {
    in 0x1369..0x1371, 0x19DA, in 0x24F5..0x24FD, 0x24FF, in 0x2776..0x277E -> true
    in 0x2780..0x2788, in 0x278A..0x2792, in 0x10A40..0x10A43 -> true
    in 0x10E60..0x10E68, in 0x11052..0x1105A -> true
    else -> Character.isDigit(point)
}
