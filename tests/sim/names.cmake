# SPDX-License-Identifier: Apache-2.0
# Writes the names of all fault points in the files SOURCES to OUT, each once.
#   cmake -DSOURCES=a.c:b.c -DOUT=point_names.inc -P names.cmake
string(REPLACE ":" ";" SOURCES "${SOURCES}")
set(names)
foreach(source ${SOURCES})
    file(READ ${source} text)
    string(REGEX MATCHALL "FP\\(\"[^\"]*\"\\)" points "${text}")
    foreach(point ${points})
        string(REGEX REPLACE "FP\\((\"[^\"]*\")\\)" "\\1" name ${point})
        list(APPEND names ${name})
    endforeach()
endforeach()
list(REMOVE_DUPLICATES names)
list(SORT names)
list(JOIN names ",\n" text)
file(WRITE ${OUT} "${text}\n")
