// run_kernels LIBRARY CALLS RESULTS: makes calls to a library's kernels that were written down on another system, and
// writes down what they leave in their arrays.
//
// CALLS is, in 64-bit words: the number of calls; and for each the length of its name, the name, the number of arrays,
// for each its bytes and their content, the number of arguments, and for each two words: 0 and the value's bits, or 1
// and the number of its array. RESULTS is the content of all arrays, one after the other.
//
// Arguments are handed over as 64-bit words. Windows puts all but the first four on the stack, a word each, whatever
// their type, and so a float may stand anywhere but in front; the caller of this has to see to that.
#include <windows.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace
{

using Word = std::uint64_t;
using Kernel = void (*)(Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word,
                        Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word);

[[noreturn]] void fail(const std::string &text)
{
    std::fprintf(stderr, "%s, error %lu\n", text.c_str(), GetLastError());
    std::exit(1);
}

void readInto(FILE *file, void *where, size_t bytes)
{
    if (std::fread(where, 1, bytes, file) != bytes)
        fail("the calls end too early");
}

Word word(FILE *file)
{
    Word value = 0;
    readInto(file, &value, sizeof(value));
    return value;
}

}  // namespace

int main(int count, char **arguments)
{
    if (count != 4)
        fail("run_kernels LIBRARY CALLS RESULTS");
    HMODULE library = LoadLibraryA(arguments[1]);
    if (!library)
        fail(std::string("cannot load ") + arguments[1]);
    FILE *calls = std::fopen(arguments[2], "rb");
    FILE *results = std::fopen(arguments[3], "wb");
    if (!calls || !results)
        fail("cannot open the files");
    for (Word left = word(calls); left > 0; --left) {
        std::string name(word(calls), '\0');
        readInto(calls, &name[0], name.size());
        std::vector<std::vector<char>> arrays(word(calls));
        for (auto &array : arrays) {
            array.resize(word(calls));
            readInto(calls, array.data(), array.size());
        }
        Word given[32] = {};
        const Word arity = word(calls);
        if (arity > 32)
            fail(name + " has more than 32 arguments");
        for (Word k = 0; k < arity; ++k) {
            const Word kind = word(calls), value = word(calls);
            given[k] = kind ? Word(reinterpret_cast<std::uintptr_t>(arrays.at(value).data())) : value;
        }
        const auto kernel = reinterpret_cast<Kernel>(reinterpret_cast<void *>(GetProcAddress(library, name.c_str())));
        if (!kernel)
            fail("no kernel " + name);
        const Word *a = given;
        kernel(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15],
               a[16], a[17], a[18], a[19], a[20], a[21], a[22], a[23], a[24], a[25], a[26], a[27], a[28], a[29], a[30],
               a[31]);
        for (const auto &array : arrays)
            if (std::fwrite(array.data(), 1, array.size(), results) != array.size())
                fail("cannot write the results");
    }
    return std::fclose(results) == 0 ? 0 : 1;
}
