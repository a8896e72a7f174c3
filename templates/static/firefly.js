// SPDX-License-Identifier: Apache-2.0
// Pages work without scripts; what is here only adds to them.
'use strict';
