# SPDX-License-Identifier: Apache-2.0
# Writes ${OUT}, a header with the text of bootstrap.sql and of every file of migrations/ in order.
# Run by the build:  cmake -DSOURCE=… -DOUT=… -P embed.cmake
function(text_of file out)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    set(${out} "${bytes}0" PARENT_SCOPE)
endfunction()

file(GLOB files ${SOURCE}/migrations/*.sql)
list(SORT files)
text_of(${SOURCE}/bootstrap.sql bytes)
set(header "/* Made by the build from the .sql files; not to be edited. */\n")
string(APPEND header "static const char bootstrap_text[] = {${bytes}};\n")
set(table "")
foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    text_of(${file} bytes)
    string(APPEND header "static const char text_${name}[] = {${bytes}};\n")
    string(APPEND table "    {\"${name}\", text_${name}},\n")
endforeach()
string(APPEND header "static const struct {\n    const char *name, *text;\n} migrations[] = {\n${table}};\n")
file(WRITE ${OUT} "${header}")
